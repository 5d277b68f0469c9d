"""The control socket: accepts connections, keeps their number bounded, and lets them end in order."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from pvsched.control.connection import Connection
from pvsched.control.limits import Limits
from pvsched.control.service import ControlLog, Service

if TYPE_CHECKING:
    from pvsched.control.caller import Callers
    from pvsched.control.routes import Router
    from pvsched.loop import Loop, Timer

_ACCEPTS_A_TURN = 64
_RETRY_SECONDS = 0.1
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server:
    """Serves `router` on listening unix sockets, in the main loop.

    When `limits.connections` are open, the one that has been idle longest makes room (a head that does not end counts
    as idle); while all are busy, new ones wait in the kernel's backlog. `limits` may be changed while the server runs.
    """

    def __init__(
        self, loop: Loop, router: Router, callers: Callers, limits: Limits | None = None, log: ControlLog | None = None
    ) -> None:
        self.limits = limits if limits is not None else Limits()
        self._loop = loop
        self._callers = callers
        self._service = Service(loop, router, callers, self.limits, log if log is not None else _Silence())
        self._service.freed = self._freed
        self._listeners: dict[socket.socket, bool] = {}  # the value tells whether the loop looks at it
        self._retry: Timer | None = None
        self._drained: Callable[[], None] | None = None

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._service.connections)

    @property
    def requests(self) -> dict[int, int]:
        """Answers so far, by status. What a worker sent by itself counts as 200."""
        return self._service.requests

    def states(self) -> dict[str, int]:
        """How many connections are in each state."""
        found: dict[str, int] = {}
        for connection in self._service.connections:
            found[connection.state_name] = found.get(connection.state_name, 0) + 1
        return found

    def listen(self, sock: socket.socket) -> None:
        """Accept from `sock`, which listens already. The server does not own it:
        close it after `close()` or `drain()`.
        """
        sock.setblocking(False)
        self._listeners[sock] = False
        self._resume()

    def drain(self, done: Callable[[], None]) -> None:
        """Accept no more, close what is idle, let the rest finish its request; then call `done`, now or later."""
        self._stop_listening()
        self._service.closing = True
        self._drained = done
        for connection in list(self._service.connections):
            if connection.evictable:
                connection.close()
        self._tell_drained()

    def close(self) -> None:
        """End everything now. Handlers hear that their clients have left."""
        self._stop_listening()
        for connection in list(self._service.connections):
            connection.close()

    def _stop_listening(self) -> None:
        self._pause()
        self._listeners.clear()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _pause(self) -> None:
        for sock, watched in self._listeners.items():
            if watched:
                self._loop.remove_reader(sock.fileno())
                self._listeners[sock] = False

    def _resume(self) -> None:
        self._retry = None
        for sock, watched in self._listeners.items():
            if not watched:
                self._loop.add_reader(sock.fileno(), lambda sock=sock: self._accept(sock))  # type: ignore[misc]
                self._listeners[sock] = True

    def _accept(self, listener: socket.socket) -> None:
        for turn in range(_ACCEPTS_A_TURN):
            if len(self._service.connections) >= self.limits.connections:
                # Only the first time round it is sure that somebody waits: nobody is put out for nobody.
                if turn > 0:
                    return
                if not self._make_room():
                    return
            try:
                sock, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._accept_failed(error)
                return
            sock.setblocking(False)
            identity = self._callers.identify(sock)
            self._service.connections.add(Connection(self._service, sock, identity))

    def _accept_failed(self, error: OSError) -> None:
        """Out of descriptors: let an idle connection go, or else look again a little later.
        Never spin, never give up.
        """
        if error.errno not in _NO_DESCRIPTORS:
            raise error
        self._service.log.warning("no connection could be accepted", error=str(error))
        if not self._evict():
            self._pause()
            self._retry = self._loop.call_later(_RETRY_SECONDS, self._resume)

    def _make_room(self) -> bool:
        """Let an idle connection go for one that waits; False if the newcomer must wait a little longer."""
        if self._evict():
            return True
        if not any(connection.evictable for connection in self._service.connections):
            self._pause()  # _freed() resumes; else those that look idle are read from in this very turn
        return False

    def _evict(self) -> bool:
        """Close the connection that has been idle longest; False if none is."""
        idle = [connection for connection in self._service.connections if connection.evictable]
        for connection in sorted(idle, key=lambda connection: connection.touched):
            if not connection.has_unread():
                connection.close()
                return True
        return False

    def _freed(self) -> None:
        if self._drained is not None:
            self._tell_drained()
        elif self._retry is None:
            self._resume()

    def _tell_drained(self) -> None:
        if self._drained is not None and not self._service.connections:
            done, self._drained = self._drained, None
            done()


class _Silence:
    """Takes the log's place where there is none."""

    def error(self, message: str, **fields: object) -> None: ...
    def warning(self, message: str, **fields: object) -> None: ...
    def debug(self, message: str, **fields: object) -> None: ...
