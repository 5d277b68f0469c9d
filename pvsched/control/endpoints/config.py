"""`/config` and `/config2`: the settings under Pantavisor's names. The bodies were made when the settings were
loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.config.settings import Settings
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router


class ConfigEndpoints:
    """The handlers. `settings` is replaced at a reload."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def add_to(self, router: Router) -> None:
        """Registers the routes."""
        router.add("GET", "/config", self.flat)
        router.add("GET", "/config2", self.listed)

    def flat(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """One flat object by legacy alias."""
        reply.send(200, self.settings.legacy.encode())

    def listed(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """An array of {"key", "value", "modified"}."""
        reply.send(200, self.settings.legacy_list.encode())
