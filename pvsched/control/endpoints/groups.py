"""`/groups` as the recorded device answers at its factory revision: four groups, all empty, so all ready."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router

# name, status_goal, restart_policy; the keys and their order are on the wire
_GROUPS = (
    ("data", "MOUNTED", "system"),
    ("root", "STARTED", "system"),
    ("platform", "STARTED", "system"),
    ("app", "STARTED", "container"),
)
_RECOVERY = {"max_retries": 5, "stable_timeout": 30, "backoff_policy": "reboot"}


def _document() -> bytes:
    groups: list[dict[str, object]] = [
        {"name": name, "status_goal": goal, "restart_policy": policy, "status": "READY"}
        for name, goal, policy in _GROUPS
    ]
    groups[-1]["auto_recovery"] = _RECOVERY
    return json.dumps(groups, separators=(",", ":")).encode()


class GroupEndpoints:
    """The handler. Main loop only."""

    def __init__(self) -> None:
        self._document = _document()

    def add_to(self, router: Router) -> None:
        """Registers the route."""
        router.add("GET", "/groups", self.listing)

    def listing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """All groups."""
        reply.send(200, self._document)
