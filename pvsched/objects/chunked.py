"""The framing of a chunked body, line by line. Pure; RFC 9112, 7.1, and nothing looser: a bare LF is refused."""

from __future__ import annotations

import re

# RFC 9112, 7.1.1: extensions are ignored, but they may hide no control character. 15 digits stay below 2^63.
HEAD = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?\r\n")
LINE_LIMIT = 1024
TRAILER_LIMIT = 16 * 1024


class BadChunk(Exception):
    """The framing is broken: where the next request begins cannot be known."""


class ChunkLines:
    """Collects the lines between chunk data: CRLF after data, the size line, trailers at the end.

    `feed` takes one line, or its beginning, at a time. `state` is `size`, `data-end`, `trailer` or `done`.
    """

    __slots__ = ("_line", "_trailers", "state")

    def __init__(self) -> None:
        self.state = "size"
        self._line = b""
        self._trailers = 0

    def wanted(self, peeked: bytes) -> int:
        """How many of the bytes that are readable belong to the line: up to its LF, or all while there is none."""
        return peeked.find(b"\n") + 1 or len(peeked)

    def feed(self, part: bytes) -> int:
        """Takes what `wanted` counted; returns the size of the chunk whose data comes next, else 0. Raises BadChunk."""
        self._line += part
        if len(self._line) > LINE_LIMIT:
            raise BadChunk("a line of the framing is longer than 1 KiB")
        if not self._line.endswith(b"\n"):
            return 0
        line, self._line = self._line, b""
        if not line.endswith(b"\r\n"):
            raise BadChunk("a line of the framing ends in a bare LF")
        return {"size": self._size, "data-end": self._data_end, "trailer": self._trailer}[self.state](line)

    def data_is_over(self) -> None:
        """The chunk's data was read: its CRLF is next."""
        self.state = "data-end"

    def _size(self, line: bytes) -> int:
        found = HEAD.fullmatch(line)
        if found is None:
            raise BadChunk("no chunk size")
        size = int(found[1], 16)
        if size == 0:
            self.state = "trailer"
        return size

    def _data_end(self, line: bytes) -> int:
        if line != b"\r\n":
            raise BadChunk("chunk data is longer than its size")
        self.state = "size"
        return 0

    def _trailer(self, line: bytes) -> int:
        self._trailers += len(line)
        if self._trailers > TRAILER_LIMIT:
            raise BadChunk("trailers are longer than 16 KiB")
        if line == b"\r\n":
            self.state = "done"
        return 0
