"""Taking one head out of a socket, and not one byte of what follows it."""

from __future__ import annotations

import socket

from pvsched.control.head import find_end, stray_lines
from pvsched.control.intake import consume
from pvsched.control.limits import Limits

_PEEK_SIZE = 4096
_CR = 13


class HeadReader:
    """What has come of the next head. A peek comes first: what is behind the head may be for a worker."""

    __slots__ = ("_limits", "_part", "_sock", "_strays")

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._sock = sock
        self._limits = limits
        self._part = b""  # of a head that has not arrived in full; consumed already
        self._strays = 0

    @property
    def begun(self) -> bool:
        """True while a head has begun and not ended; empty lines in front of one do not count."""
        return bool(self._part)

    def read(self) -> bytes | None:
        """A whole head, or None while it is incomplete.

        Raises BlockingIOError when there is nothing to read, EOFError at the end, OSError for a broken connection, and
        HttpError for what can be no head.
        """
        data = self._sock.recv(_PEEK_SIZE, socket.MSG_PEEK)
        if not data:
            raise EOFError
        known = len(self._part)
        buffer = self._part + data if known else data
        if buffer[0] == _CR:
            skipped = stray_lines(buffer, self._strays)
            self._strays += skipped // 2
            buffer = buffer[skipped:]
            known -= skipped
        end = find_end(buffer, self._limits.head) if buffer else 0
        if end:
            consume(self._sock, end - known)
            self._part = b""
            self._strays = 0
            return buffer[:end]
        # No end in sight, so all of it is head. It is taken at once: level-triggered, the loop would spin on it.
        consume(self._sock, len(data))
        self._part = buffer
        return None
