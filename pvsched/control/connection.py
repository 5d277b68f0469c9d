"""One client's connection: a head, its body, one answer, and the next.

What it does is what `_state` says. The socket is read only while that can lead to something: not while a handler is
busy, not while a reply waits to be taken, and never while the socket is lent. So the next of several pipelined requests
is read after the reply before it has gone, and a client that asks faster than it reads stops itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from pvsched.control.errorbody import error_body
from pvsched.control.head import HttpError
from pvsched.control.headreader import HeadReader
from pvsched.control.http import Request
from pvsched.control.lingering import Lingering
from pvsched.control.outbox import Outbox
from pvsched.control.receiver import Receiver
from pvsched.control.reply import JSON, Headers, Reply
from pvsched.control.replyhead import CONTINUE, UNSUPPORTED, render, stream_head
from pvsched.control.routes import Refusal, Route

if TYPE_CHECKING:
    from pvsched.control.caller import Caller, Identity
    from pvsched.control.service import Service
    from pvsched.loop import Timer

NO_SPACE = "Not enough disk space available"

IDLE, HEAD, BODY, WAIT, LENT, STREAM, SEND, LINGER, CLOSED = range(9)
STATES = ("idle", "head", "body", "wait", "lent", "stream", "send", "linger", "closed")


class Connection:
    """The main loop's side of one accepted socket (non-blocking).
    It owns the socket, and is the `Exchange` of its replies.
    """

    __slots__ = (
        "_continued",
        "_going",
        "_heads",
        "_identity",
        "_keep",
        "_linger",
        "_lingering",
        "_loop",
        "_outbox",
        "_owed",
        "_reading",
        "_receiver",
        "_reply",
        "_request",
        "_service",
        "_sock",
        "_state",
        "_then",
        "_timer",
        "_unread",
        "fd",
        "touched",
    )

    def __init__(self, service: Service, sock: socket.socket, identity: Identity) -> None:
        self._service = service
        self._loop = service.loop
        self._sock = sock
        self._identity = identity
        self.fd = sock.fileno()
        self.touched = 0  # grows with every request of any connection: the smallest is the longest idle
        self._outbox = Outbox(service.loop, sock, service.reply_stall, self._flushed, self.close)
        self._heads = HeadReader(sock, service.limits)
        self._timer: Timer | None = None
        self._reading = False
        self._going = False  # the client has left while its socket is lent
        self._linger = False  # the client may still be sending when the last answer goes
        self._lingering: Lingering | None = None
        self._begin_idle()

    @property
    def state(self) -> str:
        """What it is busy with, for tests and for the log."""
        return STATES[self._state]

    @property
    def evictable(self) -> bool:
        """True while nothing of a request would be lost by closing it."""
        return self._state in (IDLE, HEAD, LINGER)

    # -- heads ---------------------------------------------------------------------------------------------------------
    def _begin_idle(self) -> None:
        self._state = IDLE
        self._request: Request | None = None
        self._reply: Reply | None = None
        self._receiver: Receiver | None = None
        self._then: Callable[[], None] = self.close
        self._unread = False  # there is a body, and nobody has read it yet
        self._owed = False  # a handler works on an answer
        self._continued = False
        self._keep = True
        self.touched = self._service.touch()
        self._read_with(self._read_head)

    def _read_head(self) -> None:
        try:
            raw = self._heads.read()
            if raw is None:
                self._await_head()
                return
            self._stop_timer()
            request = self._service.heads.parse(raw)
        except (BlockingIOError, InterruptedError):
            return
        except (EOFError, OSError):
            self.close()
        except HttpError as error:
            self._refuse(error)
        else:
            self._dispatch(request)

    def _await_head(self) -> None:
        """Part of a head is here: the rest has so much time, counted from the first byte."""
        if not self._heads.begun:
            self._stop_timer()
            self._state = IDLE
        elif self._state == IDLE:
            self._state = HEAD
            self._timer = self._loop.call_later(self._service.limits.head_time, self._head_late)

    def _head_late(self) -> None:
        hint = "send the whole head at once"
        self._refuse(HttpError(408, "Request head took too long", "head-timeout", hint))

    def _refuse(self, error: HttpError) -> None:
        """Answer what was no request, or a body that is none, and end the connection."""
        self._stop_timer()
        if error.code is None:
            body, content_type = UNSUPPORTED, "text/html"
        else:
            body, content_type = error_body(error.text, error.code, error.hint), JSON
        self._leave()
        self._unread = False
        self._keep = False
        self._linger = True
        self._service.count(error.status)
        self._put(render(error.status, body, content_type, keep_alive=False))

    # -- requests ------------------------------------------------------------------------------------------------------
    def _dispatch(self, request: Request) -> None:
        service = self._service
        self._request = request
        self._keep = request.keep_alive
        self._reply = reply = Reply(self)
        self._owed = True
        self._unread = request.body.kind != "none" and request.body.length != 0
        caller = service.callers.caller(self._identity)
        try:
            route, params = service.router.find(request, caller)
        except Refusal as refusal:
            reply.error(refusal.status, refusal.text)
            return
        assert caller is not None  # find() refuses the unknown
        if not self._unread or route.lends:
            self._handle(route, params, caller)
        elif route.body_limit and (request.body.length or 0) > route.body_limit:
            reply.error(507, NO_SPACE)
        else:
            self._receive(route.body_limit, lambda: self._received(route, params, caller))

    def _received(self, route: Route, params: tuple[str, ...], caller: Caller) -> None:
        assert self._request is not None
        assert self._reply is not None
        assert self._receiver is not None
        if self._receiver.over and route.body_limit:
            self._reply.error(507, NO_SPACE)
            return
        self._request.data = self._receiver.data() if route.body_limit else b""
        self._handle(route, params, caller)

    def _handle(self, route: Route, params: tuple[str, ...], caller: Caller) -> None:
        request, reply = self._request, self._reply
        assert request is not None
        assert reply is not None
        try:
            route.handler(request, reply, params, caller)
        except Exception as error:
            self._service.log.error(
                "a handler failed", method=request.method, path=request.path, error=f"{type(error).__name__}: {error}"
            )
            if not reply.answered:
                reply.error(500, "Internal Error", code="handler-failed", hint="the daemon's log says why")
        if not reply.answered and self._state != CLOSED:
            self._state = WAIT
            self._stop_reading()
            self._loop.watch_hangup(self.fd, self._hung_up)

    # -- bodies --------------------------------------------------------------------------------------------------------
    def _receive(self, keep: int, then: Callable[[], None]) -> None:
        """Read the body, keep at most `keep` bytes, and go on with `then`."""
        request = self._request
        assert request is not None
        self._state = BODY
        self._then = then
        self._receiver = receiver = Receiver(
            self._loop, self._sock, request.body, keep, self._service.limits, self._received_all, self._body_failed
        )
        self._read_with(receiver.read)
        if request.expect_continue:
            self._continue()
        receiver.read()

    def _continue(self) -> None:
        """Say 100 Continue, unless the client sends already."""
        self._continued = True
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            self._outbox.send(CONTINUE)
        except OSError:
            self.close()

    def _received_all(self) -> None:
        """The body is read, or more of it than is worth reading."""
        assert self._receiver is not None
        self._unread = not self._receiver.complete
        self._then()

    def _body_failed(self, error: HttpError | None) -> None:
        """The body is no body. Where it was only to be read away the answer stands, and `error` is not a second one."""
        if error is None:
            self.close()
        elif self._reply is not None and self._reply.answered:
            self._then()
        else:
            self._refuse(error)

    # -- answers (Exchange) --------------------------------------------------------------------------------------------
    def answer(self, status: int, body: bytes, content_type: str, headers: Headers) -> None:
        """Send the answer, once the body that nobody wanted is out of the way."""
        if self._state == CLOSED:
            return
        self._loop.unwatch_hangup(self.fd)
        if self._unread and self._drains():
            self._receive(0, lambda: self._answer_now(status, body, content_type, headers))
        else:
            self._answer_now(status, body, content_type, headers)

    def _drains(self) -> bool:
        """Whether to read the body away first: a client that still sends may not look at an early answer at all.

        Not one that waits for 100 Continue, not more than the limit, and not one that was given up already: then the
        answer ends the connection.
        """
        request = self._request
        assert request is not None
        if self._receiver is not None:
            return False
        limit = self._service.limits.drain
        return not (request.expect_continue and not self._continued) and (request.body.length or 0) <= limit

    def _answer_now(self, status: int, body: bytes, content_type: str, headers: Headers) -> None:
        request = self._request
        assert request is not None
        self._owed = False
        if self._service.closing:
            self._keep = False
        if self._unread:
            self._keep = False
            self._linger = True
        self._service.count(status)
        self._put(
            render(
                status,
                body,
                content_type,
                headers,
                version=request.version,
                method=request.method,
                keep_alive=self._keep,
                close_asked=request.close_asked,
            )
        )

    def begin_lend(self) -> int:
        """The socket is a worker's from now on."""
        self._state = LENT
        self._unread = False
        self._stop_reading()
        self._loop.watch_hangup(self.fd, self._hung_up)
        return self.fd

    def end_lend(self, reusable: bool) -> None:
        """The socket is back, and the worker has answered, or never will."""
        if self._state != LENT:
            return
        self._loop.unwatch_hangup(self.fd)
        self._owed = False
        self._service.count(200)
        if reusable and self._keep and not self._going and not self._service.closing:
            self._begin_idle()
        else:
            self.close()

    def answer_lent(self, status: int, body: bytes, content_type: str, headers: Headers, reusable: bool) -> None:
        """The socket is back, and the answer is ours to give."""
        if self._state != LENT:
            return
        self._loop.unwatch_hangup(self.fd)
        self._unread = not reusable
        if self._going:
            self.close()
        else:
            self._answer_now(status, body, content_type, headers)

    def begin_stream(self, content_type: str) -> None:
        """A body without an end begins."""
        assert self._request is not None
        self._service.count(200)
        self._state = STREAM
        self._keep = False
        self._stop_reading()
        self._loop.watch_hangup(self.fd, self._hung_up)
        self._outbox.send(stream_head(content_type, self._request.version))

    def write_stream(self, data: bytes) -> bool:
        """False when the stream is closed, because the client has gone or reads too slowly."""
        if self._state != STREAM:
            return False
        if self._outbox.waiting + len(data) > self._service.limits.stream_buffer:
            self._service.log.warning("a stream was closed: its client reads too slowly", waiting=self._outbox.waiting)
            self.close()
            return False
        self._outbox.send(data)
        return self._state == STREAM

    def end_stream(self) -> None:
        """Close once all was taken."""
        if self._state == STREAM:
            self._owed = False
            self._loop.unwatch_hangup(self.fd)
            self._state = SEND
            if not self._outbox.waiting:
                self._sent()

    def complain(self, text: str) -> None:
        """Log a mistake of a handler's."""
        request = self._request
        self._service.log.error(text, method=request.method if request else "-", path=request.path if request else "-")

    # -- sending and ending --------------------------------------------------------------------------------------------
    def _put(self, data: bytes) -> None:
        self._state = SEND
        if self._outbox.send(data):
            self._sent()
        else:
            self._stop_reading()

    def _flushed(self) -> None:
        if self._state == SEND:
            self._sent()

    def _sent(self) -> None:
        """The reply has gone to its last byte."""
        if self._keep:
            self._begin_idle()
        elif self._linger:
            self._begin_linger()
        else:
            self.close()

    def _begin_linger(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._state = LINGER
        self._lingering = Lingering(self._loop, self._sock, self._service.limits, self.close)
        self._read_with(self._lingering.read)

    def _hung_up(self) -> None:
        """Both directions are closed: nobody is left to hear an answer."""
        if self._state == LENT:
            self._going = True
            self._leave()
        else:
            self.close()

    def _leave(self) -> None:
        """Tell the handler, once, that its client has gone."""
        if self._owed and self._reply is not None:
            self._owed = False
            try:
                self._reply.leave()
            except Exception as error:
                self._service.log.error("a handler failed as its client left", error=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """End the connection, whatever it is doing."""
        if self._state == CLOSED:
            return
        self._state = CLOSED
        self._stop_timer()
        if self._receiver is not None:
            self._receiver.stop()
        if self._lingering is not None:
            self._lingering.stop()
        self._outbox.close()
        self._stop_reading()
        self._loop.unwatch_hangup(self.fd)
        self._sock.close()
        self._service.forget(self)
        self._leave()

    def _read_with(self, callback: Callable[[], None]) -> None:
        self._reading = True
        self._loop.add_reader(self.fd, callback)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self.fd)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
