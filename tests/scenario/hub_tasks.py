"""What the founding example's hub client does in workers: it would talk to a hub; here the hub's answers are fixed."""

from __future__ import annotations

import time
from typing import Any

import pvsched

REGISTRY = pvsched.Registry()


@REGISTRY.task("ph_client_task_idle", priority=3, timeout=15)
def task_idle(data: Any, context: pvsched.Context) -> Any:
    """Send the device's metadata, fetch the user's, and ask whether there is an update."""
    time.sleep(data["hub_is_slow"])
    usrmeta = {"seen-by-hub": data["devmeta"]["serial"], "log.level": "debug"}
    return {"usrmeta": usrmeta, "update": True}


@REGISTRY.task("ph_client_update", timeout=60)
def update(data: Any, context: pvsched.Context) -> Any:
    """Fetch the next revision."""
    time.sleep(data["hub_is_slow"])
    return {"revision": data["revision"] + 1}
