"""What a connection still has to send: at once where the socket takes it, else when it is writable again."""

from __future__ import annotations

import socket
from collections.abc import Callable

from pvsched.loop import Loop, Timer


class Outbox:
    """Sends in order. `flushed` is called when the last byte has gone, `broken` when the client takes no more.

    A client that takes no byte for `stall()` seconds counts as gone. Main loop only.
    """

    __slots__ = ("_broken", "_buffer", "_flushed", "_loop", "_sent", "_sock", "_stall", "_timer")

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        stall: Callable[[], float],
        flushed: Callable[[], None],
        broken: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._stall = stall
        self._flushed = flushed
        self._broken = broken
        self._buffer = bytearray()
        self._sent = 0
        self._timer: Timer | None = None

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""
        return len(self._buffer) - self._sent

    def send(self, data: bytes) -> bool:
        """True when all of `data` has gone at once; otherwise `flushed` or `broken` will be called, now or later."""
        sent = 0
        if not self._buffer:
            sent = self._put(data)
            if sent == len(data):
                return True
            if sent < 0:
                self._broken()
                return False
            self._loop.add_writer(self._sock.fileno(), self._writable)
            self._timer = self._loop.call_later(self._stall(), self._broken)
        self._buffer += memoryview(data)[sent:]
        return False

    def close(self) -> None:
        """Drop what waits. Call it before the socket is closed."""
        if self._buffer:
            self._buffer.clear()
            self._sent = 0
            self._loop.remove_writer(self._sock.fileno())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _put(self, data: bytes | memoryview) -> int:
        """Bytes taken; -1 when the client is gone."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            return -1

    def _writable(self) -> None:
        with memoryview(self._buffer) as view, view[self._sent :] as rest:
            sent = self._put(rest)
        if sent < 0:
            self._broken()
            return
        self._sent += sent
        if sent and self._timer is not None:
            self._timer.cancel()
            self._timer = self._loop.call_later(self._stall(), self._broken)
        if self._sent == len(self._buffer):
            self.close()
            self._flushed()
