"""The one answer that each request gets: at once or later, buffered, streamed, or written by a worker.

A handler receives a `Reply` and must see to it that exactly one of `send`, `error`, `stream` or `lend` is called, now
or in a later turn. A second answer is a mistake of ours: it is logged and dropped, because the client would read it as
the answer to its next request. An answer to a client that has left is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pvsched.control.errorbody import error_body

JSON = "application/json"
Headers = Sequence[tuple[str, str]]
OnLeft = Callable[[], None]


class Channel(Protocol):
    """What an exchange offers to its reply."""

    def answer(self, status: int, body: bytes, content_type: str, headers: Headers) -> None: ...
    def begin_lend(self) -> int: ...
    def end_lend(self, reusable: bool) -> None: ...
    def answer_lent(self, status: int, body: bytes, content_type: str, headers: Headers, reusable: bool) -> None: ...
    def begin_stream(self, content_type: str) -> None: ...
    def write_stream(self, data: bytes) -> bool: ...
    def end_stream(self) -> None: ...
    def complain(self, text: str) -> None: ...


class Reply:
    """The answer to one request; main loop only."""

    __slots__ = ("_channel", "_leavers", "_left", "answered")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._leavers: list[OnLeft] = []
        self._left = False
        self.answered = False

    def send(self, status: int, body: bytes = b"", *, content_type: str = JSON, headers: Headers = ()) -> None:
        """Answer with `status` and the whole `body`; `headers` stand between Content-Type and Date, as recorded."""
        if self._begin():
            self._channel.answer(status, body, content_type, headers)

    def error(
        self, status: int, text: str, *, code: str | None = None, hint: str | None = None, headers: Headers = ()
    ) -> None:
        """Answer `{"Error": text}`, with `code` and `hint` beside it where the error is one of ours."""
        self.send(status, error_body(text, code, hint), headers=headers)

    def stream(self, content_type: str) -> Stream:
        """Answer 200 with a body that has no end yet (server-sent events); it ends with the connection."""
        stream = Stream(self, self._channel)
        if self._begin():
            self._channel.begin_stream(content_type)
        else:
            stream.open = False
        return stream

    def lend(self, on_left: OnLeft) -> Lease:
        """Lend the socket to a worker. Nothing of the body was read, and no 100 Continue was sent.

        Until the lease is given back the loop neither reads nor writes the socket; `on_left` is called, once, when the
        client closes it altogether. Give the lease back even then.
        """
        if not self._begin():
            raise RuntimeError("the request was answered already, or its client has left")
        self._leavers.append(on_left)
        return Lease(self._channel, self._channel.begin_lend())

    def on_left(self, callback: OnLeft) -> None:
        """Call `callback` once if the client leaves before it was answered (a half close is no leaving)."""
        if self._left:
            callback()
        else:
            self._leavers.append(callback)

    def leave(self) -> None:
        """The connection's word that the client has gone; handlers do not call this."""
        self._left = True
        leavers, self._leavers = self._leavers, []
        for callback in leavers:
            callback()

    @property
    def left(self) -> bool:
        """True once the client has gone."""
        return self._left

    def _begin(self) -> bool:
        """Take the one right to answer. False when the client has left, or when it was taken before."""
        if self.answered:
            self._channel.complain("a request was answered twice; the second answer was dropped")
            return False
        self.answered = True
        return not self._left


class Lease:
    """A socket in a worker's hands. Exactly one of `answer` and `done` gives it back; main loop only."""

    __slots__ = ("_channel", "_returned", "fd")

    def __init__(self, channel: Channel, fd: int) -> None:
        self._channel = channel
        self._returned = False
        self.fd = fd

    def answer(
        self, status: int, body: bytes = b"", *, reusable: bool, content_type: str = JSON, headers: Headers = ()
    ) -> None:
        """The worker has read the body, the loop answers. `reusable`: it was read to its very end, and no further."""
        if self._take():
            self._channel.answer_lent(status, body, content_type, headers, reusable)

    def error(
        self,
        status: int,
        text: str,
        *,
        reusable: bool,
        code: str | None = None,
        hint: str | None = None,
        headers: Headers = (),
    ) -> None:
        """`answer` with an error body, as `Reply.error` has it."""
        self.answer(status, error_body(text, code, hint), reusable=reusable, headers=headers)

    def done(self, *, reusable: bool) -> None:
        """The worker has answered (`reusable`), or has failed in the middle, and the connection is closed."""
        if self._take():
            self._channel.end_lend(reusable)

    def _take(self) -> bool:
        if self._returned:
            self._channel.complain("a lease was given back twice; the second time was ignored")
            return False
        self._returned = True
        return True


class Stream:
    """A body without an end. Bounded: a client that reads too slowly is closed, and `on_left` says so."""

    __slots__ = ("_channel", "_reply", "open")

    def __init__(self, reply: Reply, channel: Channel) -> None:
        self._reply = reply
        self._channel = channel
        self.open = True

    def write(self, data: bytes) -> bool:
        """Send `data`, or keep it until the client reads. False once the stream is closed: write no more."""
        if self.open and not self._reply.left:
            self.open = self._channel.write_stream(data)
        return self.open and not self._reply.left

    def on_left(self, callback: OnLeft) -> None:
        """Call `callback` once when the client has gone."""
        self._reply.on_left(callback)

    def close(self) -> None:
        """End the body, and with it the connection, once all was flushed."""
        if self.open and not self._reply.left:
            self.open = False
            self._channel.end_stream()
