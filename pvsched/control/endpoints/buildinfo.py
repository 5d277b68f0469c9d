"""`/buildinfo`: the manifest of the image, as text. Empty where the image brings none, as on the recorded device."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router


class BuildInfoEndpoint:
    """The handler. `manifest` was read before the loop began. Main loop only."""

    def __init__(self, manifest: bytes = b"") -> None:
        self._manifest = manifest

    def add_to(self, router: Router) -> None:
        """Registers the route."""
        router.add("GET", "/buildinfo", self.show)

    def show(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """The manifest."""
        reply.send(200, self._manifest, content_type="text/plain")
