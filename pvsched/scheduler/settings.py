"""What a scheduler is opened with, checked and handed to the core."""

from __future__ import annotations

import os

from pvsched._core import ffi, lib
from pvsched.errors import BadSetting, SchedulerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

POLICIES = {"fifo": 0, "strict": 1, "edf": 2, "fair": 3}

# name: (least, most)
_BOUNDS = {
    "workers": (0, 1024),
    "max_workers": (0, 1024),
    "capacity": (1, 1 << 26),
    "lanes": (1, 4096),
    "inline_budget": (1, 1 << 20),
    "spares": (0, 64),
    "batch": (1, 32),
    "payload_bytes": (4096, 1 << 40),
}


def open_core(*, policy: str, zot_exact: bool, **numbers: int | None) -> Any:
    """Return a new `pvs_core *`. Raises SchedulerError, BadSetting for a value that cannot be."""
    number = policy_number(policy)
    settings = ffi.new("struct pvs_settings *")
    for name, value in numbers.items():
        if value is not None:
            setattr(settings, name, _checked(name, value))
    if settings.max_workers and settings.max_workers < settings.workers:
        hint = "raise max_workers, or leave it out"
        text = f"max_workers must be at least workers: {settings.max_workers} is below {settings.workers}"
        raise BadSetting(text, code="bad-workers", hint=hint)
    settings.policy = number
    settings.zot_exact = bool(zot_exact)
    out = ffi.new("pvs_core **")
    status = lib.pvs_open(out, settings)
    if status < 0:
        raise SchedulerError(f"the core cannot be opened: {os.strerror(-status)}", code="open-failed")
    return out[0]


def use_cgroup(core: Any, path: str) -> None:
    """Give the tasks cgroups below `path`, a delegated folder of cgroup v2. Raises SchedulerError (`cgroup-failed`)."""
    status = lib.pvs_set_cgroup(core, os.fsencode(path))
    if status < 0:
        raise SchedulerError(
            f"{path} cannot hold the tasks' cgroups: {os.strerror(-status)}",
            code="cgroup-failed",
            hint="delegate a folder of cgroup v2 (systemd: Delegate=yes), or leave cgroup= out",
        )


def policy_number(policy: object) -> int:
    """Return the core's number of a policy. Raises BadSetting with code `bad-policy`."""
    number = POLICIES.get(policy) if isinstance(policy, str) else None
    if number is None:
        raise BadSetting(f"policy must be one of {', '.join(POLICIES)}, not {policy!r}", code="bad-policy")
    return number


def whole_number(name: str, value: object, least: int, most: int | None = None, code: str = "bad-setting") -> int:
    """Return the value if it is an int from least to most. Raises BadSetting."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value and (most is None or value <= most):
        return value
    bounds = f"of {least} or more" if most is None else f"from {least} to {most}"
    raise BadSetting(f"{name} must be an int {bounds}, not {value!r}", code=code)


def _checked(name: str, value: object) -> int:
    least, most = _BOUNDS[name]
    return whole_number(name, value, least, most)
