"""`/daemons`: Pantavisor's helper processes, as the recorded device names them. None of them is ours to run yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router

BODY_LIMIT = 1024
NAMES = ("hwrngd", "pv-xconnect")
NEVER_STARTED, STOPPED = 0, -1


class DaemonEndpoints:
    """The handlers, and what was asked of each daemon. Main loop only."""

    def __init__(self) -> None:
        self._respawn = dict.fromkeys(NAMES, True)

    def add_to(self, router: Router) -> None:
        """Registers the routes."""
        router.add("GET", "/daemons", self.listing)
        router.add("PUT", "/daemons/{}", self.act, body_limit=BODY_LIMIT)

    def listing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """All daemons; `pid` is 0 for one that never ran and -1 for one that was stopped."""
        daemons = [
            {"name": name, "pid": NEVER_STARTED if respawn else STOPPED, "respawn": respawn}
            for name, respawn in self._respawn.items()
        ]
        reply.send(200, json.dumps(daemons, separators=(",", ":")).encode())

    def act(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """`{"action": "start|stop"}`. Whatever else the body says is taken with 200, as recorded (269)."""
        name = params[0]
        if not request.data:
            reply.error(400, "No data")
        elif name not in self._respawn:
            reply.error(404, "Daemon not found")
        else:
            action = _action(request.data)
            if action in ("start", "stop"):
                self._respawn[name] = action == "start"
            reply.send(200)


def _action(body: bytes) -> object:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document.get("action") if isinstance(document, dict) else None
