"""What all connections of one control socket share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pvsched.control.http import HeadMemo

if TYPE_CHECKING:
    from pvsched.control.caller import Callers
    from pvsched.control.connection import Connection
    from pvsched.control.limits import Limits
    from pvsched.control.routes import Router
    from pvsched.loop import Loop


class ControlLog(Protocol):
    """As much of the daemon's log as the control socket uses."""

    def error(self, message: str, **fields: object) -> None: ...
    def warning(self, message: str, **fields: object) -> None: ...
    def debug(self, message: str, **fields: object) -> None: ...


class Service:
    """Loop, table of endpoints, limits, and the set of open connections. Main loop only."""

    def __init__(self, loop: Loop, router: Router, callers: Callers, limits: Limits, log: ControlLog) -> None:
        self.loop = loop
        self.router = router
        self.callers = callers
        self.limits = limits
        self.log = log
        self.heads = HeadMemo()
        self.closing = False  # replies from now on end their connections
        self.connections: set[Connection] = set()
        self.requests: dict[int, int] = {}  # answers so far, by status
        self.freed: Callable[[], None] = _nothing  # called after each connection's end
        self._touches = 0

    def touch(self) -> int:
        """A number greater than all before it: the order in which connections fell idle."""
        self._touches += 1
        return self._touches

    def count(self, status: int) -> None:
        """One more request was answered."""
        self.requests[status] = self.requests.get(status, 0) + 1

    def reply_stall(self) -> float:
        """`limits.reply_stall` as it is now: a reload may change it."""
        return self.limits.reply_stall

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        self.freed()


def _nothing() -> None:
    pass
