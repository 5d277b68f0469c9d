"""Reading one body out of a socket in the loop: piece by piece, to its last byte, kept up to a limit or dropped."""

from __future__ import annotations

import socket

from pvsched.control.body import ChunkedBody, LengthBody

PIECE = 64 * 1024
_PEEK = socket.MSG_PEEK


class Intake:
    """A body on its way in. At most `keep` bytes of it are kept in `data`; `over` tells that there were more."""

    __slots__ = ("_body", "_keep", "_sock", "data", "over", "total")

    def __init__(self, sock: socket.socket, body: LengthBody | ChunkedBody, keep: int) -> None:
        self._sock = sock
        self._body = body
        self._keep = keep
        self.data = bytearray()
        self.over = False
        self.total = 0

    @property
    def complete(self) -> bool:
        """True when the last byte of the body was read."""
        return self._body.complete

    def read(self) -> bool:
        """Take one piece from the socket. False when the body ends too early; raises BlockingIOError, HttpError,
        OSError.

        One piece a call: a fast client must not keep the loop from all others.
        """
        body = self._body
        if isinstance(body, LengthBody):
            data = self._sock.recv(min(body.left, PIECE))
            _used, content = body.feed(data)
        else:
            data = self._sock.recv(PIECE, _PEEK)
            used, content = body.feed(data)
            if used:
                consume(self._sock, used)
        if not data:
            return False
        self._store(content)
        return True

    def _store(self, content: bytes) -> None:
        self.total += len(content)
        if len(self.data) + len(content) > self._keep:
            self.over = True
            self.data.clear()
            self._keep = 0
        else:
            self.data += content


def consume(sock: socket.socket, count: int) -> None:
    """Take `count` bytes that a peek has shown. The kernel hands them over at once, in one piece or a few.

    A plain recv also throws away descriptors that came along with the bytes: the kernel closes them, we never see them.
    """
    while count > 0:
        taken = len(sock.recv(count))
        if taken == 0:
            raise ConnectionResetError
        count -= taken
