"""The end of a connection whose client may still be sending."""

from __future__ import annotations

import socket
from collections.abc import Callable

from pvsched.control.limits import Limits
from pvsched.loop import Loop


class Lingering:
    """Our side is closed, and what still comes is read away, so that the client sees the last answer before a reset.

    `done` is called at the client's end, or after `limits.linger` bytes or `limits.linger_time` seconds. Main loop
    only.
    """

    __slots__ = ("_done", "_left", "_sock", "_timer")

    def __init__(self, loop: Loop, sock: socket.socket, limits: Limits, done: Callable[[], None]) -> None:
        self._sock = sock
        self._left = limits.linger
        self._done = done
        self._timer = loop.call_later(limits.linger_time, done)

    def read(self) -> None:
        """Drop one piece."""
        try:
            data = self._sock.recv(1 << 16)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._left -= len(data)
        if not data or self._left <= 0:
            self.stop()
            self._done()

    def stop(self) -> None:
        """Wait no more."""
        self._timer.cancel()
