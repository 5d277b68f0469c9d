"""`/steps` as the recorded device answers with nothing but its factory revision, `0`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router

STATE = b'{"#spec":"pantavisor-service-system@1"}'
PROGRESS = b'{"status":"DONE","status-msg":"Factory revision","progress":100,"retries":0}'
MISSING = "Resource does not exist"


class StepEndpoints:
    """The handlers. `made` is when the factory revision was made, in seconds of the epoch. Main loop only.

    Pantavisor writes the local time and a literal Z; this writes UTC, which is what the Z says.
    """

    def __init__(self, made: float | None = None) -> None:
        date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made))
        # The spaces after some commas are Pantavisor's; pvcontrol searches this text for substrings.
        self._listing = b'[{"name":"0", "date":"%s", "commitmsg":"", "progress":%s}]' % (date.encode(), PROGRESS)

    def add_to(self, router: Router) -> None:
        """Registers the routes; storing steps comes with the revisions."""
        router.add("GET", "/steps", self.listing)
        router.add("GET", "/steps/{}", self.state)
        router.add("GET", "/steps/{}/progress", self.progress)
        router.add("GET", "/steps/locals/{}", self.missing)
        router.add("GET", "/steps/locals/{}/progress", self.missing)

    def listing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """All steps."""
        reply.send(200, self._listing)

    def state(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """The state JSON of `0`, which is also `current`."""
        self._file(reply, params[0], STATE)

    def progress(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """The progress JSON of `0`."""
        self._file(reply, params[0], PROGRESS)

    def missing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """There are no local revisions."""
        reply.error(404, MISSING)

    def _file(self, reply: Reply, revision: str, text: bytes) -> None:
        if revision in ("0", "current"):
            reply.send(200, text)
        else:
            reply.error(404, MISSING)
