"""From a task's options to what the core takes: checked once for each (name, options), then reused."""

from __future__ import annotations

import math

from pvsched._core import ffi, lib
from pvsched.errors import BadTask
from pvsched.scheduler.task import PER_TASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pvsched.scheduler.registry import Entry

KINDS = {"inline": 0, "thread": 1, "fork": 2, "pool": 3, "exec": 4}
KIND_NAMES = tuple(KINDS)
LOCAL = frozenset({"inline", "thread"})

DEFAULTS: dict[str, Any] = {
    "priority": 5,
    "timeout": None,
    "queue_timeout": None,
    "on_timeout": "kill",
    "grace": 5.0,
    "lane": "default",
    "executor": None,
    "result_limit": 1 << 20,
    "output_limit": 64 << 10,
    "survive": False,
    "limits": None,
    "key": None,
    "on_duplicate": "refuse",
    "fds": None,
    "argv": None,
    "env": None,
    "cwd": None,
}

_IO_CLASSES = {"realtime": 1, "best-effort": 2, "idle": 3}
_MOST_SECONDS = 1e9  # 31 years; more does not fit the core's nanoseconds with room to spare
_MOST_BYTES = 1 << 31


class Rules:
    """What all tasks of one (name, options) share. `spec` is the core's; `prefix` is what stands before their JSON."""

    __slots__ = ("entry", "executor", "lane", "limited", "merged", "name", "prefix", "result_limit", "spec", "special")

    def __init__(self, name: str, entry: Entry | None, merged: dict[str, Any], executor: str, spec: Any) -> None:
        self.name = name
        self.entry = entry
        self.merged = merged
        self.executor = executor
        self.spec = spec
        self.lane: str = merged["lane"]
        self.result_limit: int = merged["result_limit"]
        self.limited = bool(merged["limits"])
        self.special = executor == "exec" or any(merged[name] is not None for name in ("key", "fds"))
        self.prefix = b""


def rules_key(name: str, options: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what identifies the rules of a task with options. The types count: 1 and 1.0 and True are equal."""
    key: list[object] = [name]
    for option, value in options.items():
        if option not in PER_TASK:
            key += (option, value, type(value))
    if options.get("argv"):
        key.append("argv")
    limits = options.get("limits")
    if limits is not None:
        key.append(tuple(sorted((k, v, type(v).__name__) for k, v in limits.items())) if _is_dict(limits) else "?")
    return tuple(key)


def make_spec(merged: Mapping[str, Any], kind: str, lane: int) -> Any:
    """Check every option and return a filled `struct pvs_spec *`. Raises BadTask."""
    for option, check in _CHECKS.items():
        problem = check(merged[option])
        if problem:
            garbled = problem.startswith("has ")  # it names what is wrong inside the value
            raise BadTask(f"{option} {problem}" if garbled else f"{option} {problem}, not {merged[option]!r}")
    spec = ffi.new("struct pvs_spec *")
    spec.kind = KINDS[kind]
    spec.priority = merged["priority"]
    spec.lane = lane
    spec.flags = (lib.PVS_GRACEFUL if merged["on_timeout"] == "graceful" else 0) | (
        lib.PVS_SURVIVE if merged["survive"] else 0
    )
    spec.result_limit = merged["result_limit"]
    spec.output_limit = merged["output_limit"]
    spec.timeout_ns = _nanoseconds(merged["timeout"])
    spec.queue_timeout_ns = _nanoseconds(merged["queue_timeout"])
    spec.grace_ns = _nanoseconds(merged["grace"])
    _set_limits(spec, merged["limits"] or {})
    return spec


def _nanoseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1e9))


def _set_limits(spec: Any, limits: Mapping[str, Any]) -> None:
    spec.nice = limits.get("nice", 0)
    spec.ionice = -1 if "ionice" not in limits else _io_priority(limits["ionice"])
    spec.limit_memory = limits.get("memory", 0)
    spec.limit_cpu = math.ceil(limits.get("cpu", 0))
    spec.limit_files = limits.get("files", 0)


def _io_priority(value: Any) -> int:
    """Return what ioprio_set() takes: 0-7 (best effort), "idle", "best-effort:4", "realtime:0". -1: invalid."""
    if _is_int(value):
        return (2 << 13) | int(value) if 0 <= value <= 7 else -1
    if not isinstance(value, str):
        return -1
    name, _, level = value.partition(":")
    if name not in _IO_CLASSES or not (level == "" or (len(level) == 1 and level in "01234567")):
        return -1
    return (_IO_CLASSES[name] << 13) | (0 if name == "idle" else int(level or 4))


# ---- checks: each returns what is wrong, or "" -----------------------------------------------------


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_dict(value: object) -> bool:
    return isinstance(value, dict) or (hasattr(value, "keys") and hasattr(value, "items"))


def _priority(value: Any) -> str:
    return "" if _is_int(value) and 0 <= value <= 9 else "must be an int from 0 (most urgent) to 9"


def _seconds(value: Any, least: str) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if number and (value > 0 or (value == 0 and least == "0 or more")):
        return "" if value <= _MOST_SECONDS else "must be at most 1e9 seconds"
    return f"must be a number of seconds, {least}"


def _timeout(value: Any) -> str:
    return "" if value is None else _seconds(value, "above 0, or None")


def _grace(value: Any) -> str:
    return _seconds(value, "0 or more")


def _bytes(value: Any) -> str:
    return "" if _is_int(value) and 0 < value < _MOST_BYTES else "must be an int of bytes from 1 to 2 GiB"


def _one_of(*words: str) -> Callable[[Any], str]:
    return lambda value: "" if isinstance(value, str) and value in words else f"must be one of {', '.join(words)}"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be True or False"


def _limits(value: Any) -> str:
    if value is None:
        return ""
    if not _is_dict(value):
        return "must be a dict or None"
    for name, limit in value.items():
        check = _LIMITS.get(name)
        if check is None:
            return f"has {name!r}; it knows {', '.join(_LIMITS)}"
        if not check(limit):
            return f"has an impossible value for {name}: {limit!r}"
    return ""


_LIMITS: dict[str, Callable[[Any], bool]] = {
    "nice": lambda value: _is_int(value) and -20 <= value <= 19,
    "ionice": lambda value: _io_priority(value) >= 0,
    "memory": lambda value: _is_int(value) and 0 < value < 1 << 63,
    "cpu": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9,
    "files": lambda value: _is_int(value) and 0 < value < 1 << 31,
}

_CHECKS: dict[str, Callable[[Any], str]] = {
    "priority": _priority,
    "timeout": _timeout,
    "queue_timeout": _timeout,
    "on_timeout": _one_of("kill", "graceful"),
    "grace": _grace,
    "result_limit": _bytes,
    "output_limit": _bytes,
    "survive": _flag,
    "limits": _limits,
}
