"""`/healthz`: is the daemon well, in one small answer that costs nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router


class Health:
    """What the daemon is at: `starting`, `running`, `draining`. 503 unless it is `running`. Main loop only."""

    def __init__(self, version: str, clock: Callable[[], float]) -> None:
        self.state = "starting"
        self.version = version
        self._clock = clock
        self._since = clock()

    @property
    def uptime(self) -> float:
        """Seconds since start."""
        return self._clock() - self._since

    def add_to(self, router: Router) -> None:
        """Registers the route."""
        router.add("GET", "/healthz", self.ask)

    def ask(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """{"status", "version", "pid", "uptime"}."""
        document = {
            "status": self.state,
            "version": self.version,
            "pid": os.getpid(),
            "uptime": round(self.uptime, 3),
        }
        reply.send(200 if self.state == "running" else 503, json.dumps(document, separators=(",", ":")).encode())
