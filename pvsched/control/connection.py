"""One client's connection: a head, the exchange that it begins, and the next.

What it does is what `state` says. The socket is read only while that can lead to something: not while a handler is
busy, not while a reply waits to be taken, and never while the socket is lent. So the next of several pipelined requests
is read after the reply before it has gone, and a client that asks faster than it reads stops itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from pvsched.control.errorbody import error_body
from pvsched.control.exchange import Exchange
from pvsched.control.head import HttpError
from pvsched.control.headreader import HeadReader
from pvsched.control.lingering import Lingering
from pvsched.control.outbox import Outbox
from pvsched.control.reply import JSON
from pvsched.control.replyhead import UNSUPPORTED, render
from pvsched.control.states import CLOSED, EVICTABLE, HEAD, IDLE, LINGER, NAMES, SEND

if TYPE_CHECKING:
    from pvsched.control.caller import Identity
    from pvsched.control.service import Service
    from pvsched.loop import Timer


class Connection:
    """The main loop's side of one accepted socket (non-blocking), which it owns.

    `service`, `sock`, `fd`, `outbox` and `state` are for the exchange that runs on it, as are the methods without an
    underscore; nobody else calls them but the server, which may `close()`.
    """

    __slots__ = (
        "_exchange",
        "_heads",
        "_identity",
        "_keep",
        "_linger",
        "_lingering",
        "_loop",
        "_reading",
        "_timer",
        "fd",
        "outbox",
        "service",
        "sock",
        "state",
        "touched",
    )

    def __init__(self, service: Service, sock: socket.socket, identity: Identity) -> None:
        self.service = service
        self.sock = sock
        self.fd = sock.fileno()
        self.outbox = Outbox(service.loop, sock, service.reply_stall, self._flushed, self.close)
        self.state = IDLE
        self.touched = 0  # grows with every request of any connection: the smallest is the longest idle
        self._loop = service.loop
        self._identity = identity
        self._heads = HeadReader(sock, service.limits)
        self._exchange: Exchange | None = None
        self._timer: Timer | None = None
        self._reading = False
        self._keep = True  # after the reply that is being sent
        self._linger = False  # the client may still be sending when the last reply goes
        self._lingering: Lingering | None = None
        self.begin_idle()

    @property
    def state_name(self) -> str:
        """What it is busy with, in a word."""
        return NAMES[self.state]

    @property
    def evictable(self) -> bool:
        """True while nothing of a request would be lost by closing it."""
        return self.state in EVICTABLE

    def has_unread(self) -> bool:
        """Say whether something of a request has come that the loop has not looked at yet: it must not be lost."""
        if self.state == LINGER:
            return False
        try:
            return self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except OSError:
            return False  # nothing there, or broken

    # -- heads ---------------------------------------------------------------------------------------------------------
    def begin_idle(self) -> None:
        """Wait for a request, the first or the next."""
        self.state = IDLE
        self._exchange = None
        self.touched = self.service.touch()
        self.read_with(self._read_head)

    def _read_head(self) -> None:
        try:
            raw = self._heads.read()
            if raw is None:
                self._await_head()
                return
            self._stop_timer()
            request = self.service.heads.parse(raw)
        except (BlockingIOError, InterruptedError):
            return
        except (EOFError, OSError):
            self.close()
        except HttpError as error:
            self.refuse(error)
        else:
            self._exchange = exchange = Exchange(self, request)
            exchange.begin(self.service.callers.caller(self._identity))

    def _await_head(self) -> None:
        """Part of a head is here: the rest has so much time, counted from the first byte."""
        if not self._heads.begun:
            self._stop_timer()
            self.state = IDLE
        elif self.state == IDLE:
            self.state = HEAD
            self._timer = self._loop.call_later(self.service.limits.head_time, self._head_late)

    def _head_late(self) -> None:
        hint = "send the whole head at once"
        self.refuse(HttpError(408, "Request head took too long", "head-timeout", hint))

    def refuse(self, error: HttpError) -> None:
        """Answer what was no request, or a body that is none, and end the connection."""
        self._stop_timer()
        if error.code is None:
            body, content_type = UNSUPPORTED, "text/html"
        else:
            body, content_type = error_body(error.text, error.code, error.hint), JSON
        self._leave()
        self.service.count(error.status)
        self.put(render(error.status, body, content_type, keep_alive=False), keep=False, linger=True)

    # -- for the exchange ----------------------------------------------------------------------------------------------
    def read_with(self, callback: Callable[[], None]) -> None:
        """Call `callback` when there is something to read."""
        self._reading = True
        self._loop.add_reader(self.fd, callback)

    def park(self, state: int, hung_up: Callable[[], None]) -> None:
        """Read nothing, and hear only of a full close; nothing at all if the connection is closed already."""
        if self.state != CLOSED:
            self.state = state
            self._stop_reading()
            self._loop.watch_hangup(self.fd, hung_up)

    def unpark(self) -> None:
        """The end of `park`; harmless without one."""
        self._loop.unwatch_hangup(self.fd)

    def put(self, data: bytes, *, keep: bool, linger: bool) -> None:
        """Send a reply to its end; then go on (`keep`), or close: at once, or when the client stops (`linger`)."""
        self.state = SEND
        self._keep = keep
        self._linger = linger
        if self.outbox.send(data):
            self._sent()
        else:
            self._stop_reading()

    def close(self) -> None:
        """End the connection, whatever it is doing."""
        if self.state == CLOSED:
            return
        self.state = CLOSED
        self._stop_timer()
        if self._lingering is not None:
            self._lingering.stop()
        self.outbox.close()
        self._stop_reading()
        self._loop.unwatch_hangup(self.fd)
        self.sock.close()
        self.service.forget(self)
        self._leave()

    # -- sending and ending --------------------------------------------------------------------------------------------
    def _flushed(self) -> None:
        if self.state == SEND:
            self._sent()

    def _sent(self) -> None:
        """The reply has gone to its last byte."""
        if self._keep:
            self.begin_idle()
        elif self._linger:
            self._begin_linger()
        else:
            self.close()

    def _begin_linger(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.state = LINGER
        self._lingering = Lingering(self._loop, self.sock, self.service.limits, self.close)
        self.read_with(self._lingering.read)

    def _leave(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.leave()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self.fd)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
