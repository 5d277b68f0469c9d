"""Where the daemon's socket may be, in the order in which it is looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pvsched.config.places import Places

PANTAVISOR = ("/run/pantavisor/pv/pv-ctrl", "/pv/pv-ctrl", "/pantavisor/pv-ctrl")  # as pvcontrol and pvtx look


def candidates(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Paths to try when neither --socket nor PVSCHED_SOCKET names one."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    own = [os.path.join(runtime, "pvsched", "pv-ctrl")] if runtime else []
    places = [*own, Places(os.geteuid(), environment).socket, "/run/pvsched/pv-ctrl", *PANTAVISOR]
    return list(dict.fromkeys(places))


def search(option: str | None, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Every path that may be tried: the one that was named, or all the usual ones."""
    named = option or environment.get("PVSCHED_SOCKET")
    return [named] if named else candidates(environment)
