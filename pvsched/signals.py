"""Signals as a descriptor that the loop reads: no code of ours runs inside a handler."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType


class Signals:
    """Turns signals into calls from the loop. Main thread only. `close()` puts everything back as it was."""

    def __init__(self, callbacks: Mapping[int, Callable[[], None]]) -> None:
        self._callbacks = dict(callbacks)
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _ignored) for number in self._callbacks}

    def fileno(self) -> int:
        """Readable when a signal has come."""
        return self._reader

    def read(self) -> None:
        """Calls the callback of every signal that came, in order."""
        try:
            numbers = os.read(self._reader, 256)
        except BlockingIOError:
            return
        for number in numbers:
            callback = self._callbacks.get(number)
            if callback is not None:
                callback()

    def close(self) -> None:
        """Puts the old handlers back."""
        signal.set_wakeup_fd(self._before_fd)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)


def _ignored(number: int, frame: FrameType | None) -> None:
    """What the interpreter needs to be installed so that the number is written to the descriptor."""
