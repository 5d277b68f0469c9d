"""Where the daemon's socket may be, in the order in which it is looked for."""

from __future__ import annotations

import os

PANTAVISOR = ("/run/pantavisor/pv/pv-ctrl", "/pv/pv-ctrl", "/pantavisor/pv-ctrl")  # as pvcontrol and pvtx look


def candidates(environment: dict[str, str] | os._Environ[str] = os.environ) -> list[str]:
    """Paths to try when neither --socket nor PVSCHED_SOCKET names one."""
    places = []
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime:
        places.append(os.path.join(runtime, "pvsched", "pv-ctrl"))
    return [*places, "/run/pvsched/pv-ctrl", *PANTAVISOR]


def search(option: str | None, environment: dict[str, str] | os._Environ[str] = os.environ) -> list[str]:
    """Every path that may be tried: the one that was named, or all the usual ones."""
    named = option or environment.get("PVSCHED_SOCKET")
    return [named] if named else candidates(environment)
