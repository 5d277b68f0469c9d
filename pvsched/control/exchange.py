"""One request and its one answer, from the end of the head to the last byte handed over for sending."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from pvsched.control.head import HttpError
from pvsched.control.http import Request
from pvsched.control.receiver import Receiver
from pvsched.control.reply import Headers, Reply
from pvsched.control.replyhead import CONTINUE, render, stream_head
from pvsched.control.routes import Refusal, Route
from pvsched.control.states import BODY, LENT, STREAM, WAIT

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.connection import Connection

NO_SPACE = "Not enough disk space available"


class Exchange:
    """Lives as long as its request, on a connection that it tells what to do. It is the `Channel` of its reply.

    Three things are true of a request at any time: whether its body is still `_unread`, whether an answer is still
    `_owed`, and whether the connection may go on after it (`keep`).
    """

    __slots__ = (
        "_connection",
        "_continued",
        "_gone",
        "_owed",
        "_receiver",
        "_reply",
        "_request",
        "_then",
        "_unread",
        "keep",
    )

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._reply = Reply(self)
        self._receiver: Receiver | None = None
        self._then: Callable[[], None] = connection.close
        self._unread = request.body.kind != "none" and request.body.length != 0
        self._owed = True
        self._continued = False
        self._gone = False  # the client has left while its socket is lent
        self.keep = request.keep_alive

    # -- to the handler ------------------------------------------------------------------------------------------------
    def begin(self, caller: Caller | None) -> None:
        """Find the handler, and call it as soon as it wants to be called; or refuse."""
        request = self._request
        try:
            route, params = self._connection.service.router.find(request, caller)
        except Refusal as refusal:
            self._reply.error(refusal.status, refusal.text)
            return
        assert caller is not None  # find() refuses the unknown
        if not self._unread or route.lends:
            self._handle(route, params, caller)
        elif route.body_limit and (request.body.length or 0) > route.body_limit:
            self._reply.error(507, NO_SPACE)
        else:
            self._receive(route.body_limit, lambda: self._received(route, params, caller))

    def _received(self, route: Route, params: tuple[str, ...], caller: Caller) -> None:
        assert self._receiver is not None
        if self._receiver.over and route.body_limit:
            self._reply.error(507, NO_SPACE)
            return
        self._request.data = self._receiver.data() if route.body_limit else b""
        self._handle(route, params, caller)

    def _handle(self, route: Route, params: tuple[str, ...], caller: Caller) -> None:
        reply = self._reply
        try:
            route.handler(self._request, reply, params, caller)
        except Exception as error:
            self._log_failure("a handler failed", error)
            if not reply.answered:
                reply.error(500, "Internal Error", code="handler-failed", hint="the daemon's log says why")
        if not reply.answered:
            self._connection.park(WAIT, self._hung_up)

    # -- the body ------------------------------------------------------------------------------------------------------
    def _receive(self, keep: int, then: Callable[[], None]) -> None:
        """Read the body, keep at most `keep` bytes, and go on with `then`."""
        connection = self._connection
        connection.state = BODY
        self._then = then
        self._receiver = receiver = Receiver(
            connection.service.loop,
            connection.sock,
            self._request.body,
            keep,
            connection.service.limits,
            self._received_all,
            self._body_failed,
        )
        connection.read_with(receiver.read)
        if self._request.expect_continue:
            self._continue()
        receiver.read()

    def _continue(self) -> None:
        """Say 100 Continue, unless the client sends already."""
        self._continued = True
        try:
            self._connection.sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            self._connection.outbox.send(CONTINUE)
        except OSError:
            self._connection.close()

    def _received_all(self) -> None:
        """The body is read, or more of it than is worth reading."""
        assert self._receiver is not None
        self._unread = not self._receiver.complete
        self._then()

    def _body_failed(self, error: HttpError | None) -> None:
        """The body is no body. Where it was only to be read away the answer stands, and `error` is not a second one."""
        if error is None:
            self._connection.close()
        elif self._reply.answered:
            self._then()
        else:
            self._connection.refuse(error)

    def _drains(self) -> bool:
        """Whether to read the body away first: a client that still sends may not look at an early answer at all.

        Not one that waits for 100 Continue, not more than the limit, and not one that was given up already: then the
        answer ends the connection.
        """
        request = self._request
        if self._receiver is not None or (request.expect_continue and not self._continued):
            return False
        return (request.body.length or 0) <= self._connection.service.limits.drain

    # -- the answer (Channel) ------------------------------------------------------------------------------------------
    def answer(self, status: int, body: bytes, content_type: str, headers: Headers) -> None:
        """Send the answer, once the body that nobody wanted is out of the way."""
        self._connection.unpark()
        if self._unread and self._drains():
            self._receive(0, lambda: self._answer_now(status, body, content_type, headers))
        else:
            self._answer_now(status, body, content_type, headers)

    def _answer_now(self, status: int, body: bytes, content_type: str, headers: Headers) -> None:
        request, service = self._request, self._connection.service
        self._owed = False
        if self._unread or service.closing:
            self.keep = False
        service.count(status)
        reply = render(
            status,
            body,
            content_type,
            headers,
            version=request.version,
            method=request.method,
            keep_alive=self.keep,
            close_asked=request.close_asked,
        )
        self._connection.put(reply, keep=self.keep, linger=self._unread)

    def begin_lend(self) -> int:
        """The socket is a worker's from now on."""
        self._unread = False
        self._connection.park(LENT, self._hung_up)
        return self._connection.fd

    def end_lend(self, reusable: bool) -> None:
        """The socket is back, and the worker has answered, or never will."""
        connection = self._connection
        if connection.state != LENT:
            return
        connection.unpark()
        self._owed = False
        if reusable:
            connection.service.count(200)  # or another that the worker chose: it does not say
        if reusable and self.keep and not self._gone and not connection.service.closing:
            connection.begin_idle()
        else:
            connection.close()

    def answer_lent(self, status: int, body: bytes, content_type: str, headers: Headers, reusable: bool) -> None:
        """The socket is back, and the answer is ours to give."""
        if self._connection.state != LENT:
            return
        self._connection.unpark()
        self._unread = not reusable
        if self._gone:
            self._connection.close()
        else:
            self._answer_now(status, body, content_type, headers)

    def begin_stream(self, content_type: str) -> None:
        """A body without an end begins."""
        connection = self._connection
        connection.service.count(200)
        self.keep = False
        connection.park(STREAM, self._hung_up)
        connection.outbox.send(stream_head(content_type, self._request.version))

    def write_stream(self, data: bytes) -> bool:
        """False when the stream is closed, because the client has gone or reads too slowly."""
        connection = self._connection
        if connection.state != STREAM:
            return False
        waiting = connection.outbox.waiting
        if waiting + len(data) > connection.service.limits.stream_buffer:
            connection.service.log.warning("a stream was closed: its client reads too slowly", waiting=waiting)
            connection.close()
        else:
            connection.outbox.send(data)
        return connection.state == STREAM

    def end_stream(self) -> None:
        """Close once all was taken."""
        if self._connection.state == STREAM:
            self._owed = False
            self._connection.unpark()
            self._connection.put(b"", keep=False, linger=False)

    def complain(self, text: str) -> None:
        """Log a mistake of a handler's."""
        self._connection.service.log.error(text, method=self._request.method, path=self._request.path)

    # -- the client leaves ---------------------------------------------------------------------------------------------
    def _hung_up(self) -> None:
        """Both directions are closed: nobody is left to hear an answer. A lent socket stays open until it is back."""
        if self._connection.state == LENT:
            self._gone = True
            self.leave()
        else:
            self._connection.close()

    def leave(self) -> None:
        """Stop, and tell the handler, once, that its client has gone."""
        if self._receiver is not None:
            self._receiver.stop()
        if self._owed:
            self._owed = False
            try:
                self._reply.leave()
            except Exception as error:
                self._log_failure("a handler failed as its client left", error)

    def _log_failure(self, what: str, error: Exception) -> None:
        request = self._request
        self._connection.service.log.error(
            what, method=request.method, path=request.path, error=f"{type(error).__name__}: {error}"
        )
