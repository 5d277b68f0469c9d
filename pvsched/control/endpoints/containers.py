"""`/containers` as the recorded device answers at its factory revision, which has none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router

BODY_LIMIT = 1024
ACTIONS = ("start", "stop", "restart")
BAD_ACTION = "Invalid action. Use 'start', 'stop', or 'restart'"


class ContainerEndpoints:
    """The handlers; a later stage gives them containers to act on. Main loop only."""

    def add_to(self, router: Router) -> None:
        """Registers the routes."""
        router.add("GET", "/containers", self.listing)
        router.add("PUT", "/containers/{}", self.act, body_limit=BODY_LIMIT)

    def listing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """All containers: none."""
        reply.send(200, b"[]")

    def act(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """`{"action": "start|stop|restart"}`: the recorded complaints about the body, then 404."""
        complaint = complaint_about(request.data)
        if complaint is not None:
            reply.error(400, complaint)
        else:
            reply.error(404, "Container not found")


def complaint_about(body: bytes) -> str | None:
    """What is wrong with the body of an action, in the recorded words; None if nothing is."""
    if not body:
        return "No data"
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "Invalid JSON"
    action = document.get("action") if isinstance(document, dict) else None
    if not isinstance(action, str):
        return "Missing 'action' field"
    return None if action in ACTIONS else BAD_ACTION
