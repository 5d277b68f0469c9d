"""A request's body on a lent socket: read to its end and not one byte further, so that the next request stays whole."""

from __future__ import annotations

from pvsched.objects.chunked import LINE_LIMIT, ChunkLines
from pvsched.objects.client import Client


class LengthBody:
    """A body of `length` bytes. `left` says how many are still to come."""

    def __init__(self, client: Client, length: int) -> None:
        self._client = client
        self.left = length

    @property
    def finished(self) -> bool:
        """True once all was read."""
        return self.left == 0

    def read_into(self, view: memoryview) -> int:
        """Reads some bytes, at most `len(view)`; 0 at the body's end. Raises ClientLeft, TooSlow, Cancelled."""
        if self.left == 0:
            return 0
        count = self._client.receive_into(view[: self.left])
        self.left -= count
        return count


class ChunkedBody:
    """A chunked body. The framing's lines are looked at first (MSG_PEEK), then taken to their LF and no further."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lines = ChunkLines()
        self._left = 0

    @property
    def finished(self) -> bool:
        """True once the last chunk and the trailers were read."""
        return self._lines.state == "done"

    def read_into(self, view: memoryview) -> int:
        """As `LengthBody.read_into`; raises BadChunk besides."""
        while self._left == 0:
            if self.finished:
                return 0
            self._left = self._next_line()
        count = self._client.receive_into(view[: self._left])
        self._left -= count
        if self._left == 0:
            self._lines.data_is_over()
        return count

    def _next_line(self) -> int:
        # Where a peek holds no LF all of it is line and is taken at once: left there, poll() would spin on it.
        wanted = self._lines.wanted(self._client.peek(LINE_LIMIT + 1))
        line = bytearray(wanted)
        taken = self._client.receive_into(memoryview(line))
        return self._lines.feed(bytes(line[:taken]))


Body = LengthBody | ChunkedBody


def body_of(client: Client, kind: str, length: int | None) -> Body:
    """The body that a head announced: `kind` is `none`, `length` or `chunked`."""
    return ChunkedBody(client) if kind == "chunked" else LengthBody(client, length or 0 if kind == "length" else 0)


def drain(body: Body, buffer: memoryview, limit: int) -> bool:
    """Reads and drops what is left of a body, about `limit` bytes at most; True if that was all of it."""
    while limit > 0:
        count = body.read_into(buffer)
        if count == 0:
            break
        limit -= count
    return body.finished
