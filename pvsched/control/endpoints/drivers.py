"""`/drivers`: those of the calling container. The host, the only caller so far, has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router


class DriverEndpoints:
    """The handlers. Main loop only."""

    def add_to(self, router: Router) -> None:
        """Registers the routes."""
        router.add("GET", "/drivers", self.listing)
        for verb in ("load", "unload"):
            router.add("PUT", f"/drivers/{verb}", self.switch)
            router.add("PUT", f"/drivers/{{}}/{verb}", self.switch)

    def listing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """An empty object, not an empty array: what a caller without drivers gets (recording 012)."""
        reply.send(200, b"{}")

    def switch(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """Loads or unloads nothing, with success, as for any caller without drivers (recording 276)."""
        reply.send(200)
