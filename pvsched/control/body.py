"""Request bodies that the loop reads itself: where they end, and what is in them; pure, no I/O.

Both readers count to the last byte of the body and not one further, so that the next request stays in the socket.
"""

from __future__ import annotations

import re

from pvsched.control.head import HttpError

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER_LINES = 16


class LengthBody:
    """A body of `length` bytes."""

    __slots__ = ("left",)

    def __init__(self, length: int) -> None:
        self.left = length

    @property
    def complete(self) -> bool:
        return self.left == 0

    def feed(self, data: bytes) -> tuple[int, bytes]:
        """(how many bytes of `data` belong to the body, what they say)."""
        used = min(self.left, len(data))
        self.left -= used
        return used, data if used == len(data) else data[:used]


class ChunkedBody:
    """A chunked body; its extensions and its trailer are read and dropped. What is badly framed is 413, as recorded."""

    __slots__ = ("_left", "_limit", "_line", "_part", "_trailer", "complete")

    def __init__(self, line_limit: int) -> None:
        self._limit = line_limit
        self._line = bytearray()
        self._part = "size"
        self._left = 0
        self._trailer = 0
        self.complete = False

    def feed(self, data: bytes) -> tuple[int, bytes]:
        """(how many bytes of `data` belong to the body, the content among them). Raises HttpError(413)."""
        at = 0
        content = []
        while at < len(data) and not self.complete:
            if self._part == "data":
                piece = data[at : at + self._left]
                content.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left == 0:
                    self._part = "data-end"
            else:
                at = self._take_line(data, at)
        return at, content[0] if len(content) == 1 else b"".join(content)

    def _take_line(self, data: bytes, at: int) -> int:
        """Collect up to the next CRLF, from `at` on; a whole line is acted on. Returns where to go on."""
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        self._line += data[at:stop]
        if len(self._line) > self._limit:
            raise HttpError(413)
        if end >= 0:
            line = bytes(self._line)
            self._line.clear()
            if line[-2:] != b"\r\n" or b"\r" in line[:-2]:
                raise HttpError(413)
            self._act(line[:-2])
        return stop

    def _act(self, line: bytes) -> None:
        if self._part == "size":
            match = _SIZE_LINE.fullmatch(line)
            if match is None:
                raise HttpError(413)
            self._left = int(match.group(1), 16)
            self._part = "data" if self._left else "trailer"
        elif self._part == "data-end":
            if line:
                raise HttpError(413)
            self._part = "size"
        elif line:
            self._trailer += 1
            if self._trailer > _TRAILER_LINES:
                raise HttpError(413)
        else:
            self.complete = True
