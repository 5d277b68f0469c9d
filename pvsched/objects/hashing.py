"""SHA-256 of a stream of blocks, computed beside the thread that moves them where there is a processor for it.

hashlib lets go of the interpreter's lock while it hashes. An upload that receives and writes one block while the last
is hashed takes as long as the slower of the two, in place of their sum. Workers only.
"""

from __future__ import annotations

import _thread
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

# One is filled while one is hashed; the third takes up what the two threads' wake-ups cost.
BLOCKS = 3
# Of a shorter stream the thread's start would be the largest part.
WORTH = 1 << 20
STACK = 256 * 1024


class Inline:
    """Hashes each block as it is handed over, in the one buffer that it was given."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self._digest = hashlib.sha256()

    def block(self) -> memoryview:
        """Returns what to fill next."""
        return self._buffer

    def add(self, count: int) -> None:
        """Takes the first `count` bytes of the block, at least one. They may still be read until the next `block()`."""
        self._digest.update(self._buffer[:count])

    def hexdigest(self) -> str:
        """Returns the hash of all that was added, in hexadecimal; nothing can be added after it."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Lets go of what hashes. May be called twice."""


class Beside:
    """As `Inline`, by a thread of its own over a ring of blocks. Raises RuntimeError if there can be no thread."""

    def __init__(self, buffer: memoryview) -> None:
        others = [memoryview(bytearray(len(buffer))) for _ in range(BLOCKS - 1)]
        self._ring = [buffer, *others]
        self._counts = [0] * BLOCKS
        self._free = [_thread.allocate_lock() for _ in self._ring]
        self._full = [_locked() for _ in self._ring]
        self._ended = _locked()
        self._digest = hashlib.sha256()
        self._at = 0  # the block that is filled
        self._holds = False  # whether it was waited for
        self._open = True
        before = _thread.stack_size(STACK)
        try:
            _thread.start_new_thread(self._hash, ())
        finally:
            _thread.stack_size(before)

    def block(self) -> memoryview:
        """Returns what to fill next, as soon as what it held before is hashed."""
        if not self._holds:
            self._free[self._at].acquire()
            self._holds = True
        return self._ring[self._at]

    def add(self, count: int) -> None:
        """Takes the first `count` bytes of the block, at least one."""
        self._counts[self._at] = count
        self._holds = False
        self._full[self._at].release()
        self._at = (self._at + 1) % BLOCKS

    def hexdigest(self) -> str:
        """Returns the hash of all that was added, in hexadecimal, when it is known."""
        self.close()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Ends the thread, after the blocks that it has."""
        if self._open:
            self._open = False
            self.block()
            self.add(0)  # the end, to the thread
            self._ended.acquire()

    def _hash(self) -> None:
        at = 0
        while True:
            self._full[at].acquire()
            count = self._counts[at]
            if count == 0:
                break
            self._digest.update(self._ring[at][:count])
            self._free[at].release()
            at = (at + 1) % BLOCKS
        self._ended.release()


@contextmanager
def hashing(buffer: memoryview, length: int | None) -> Iterator[Inline | Beside]:
    """What hashes a stream of `length` bytes (None: not known), a `buffer` at a time."""
    made = _made(buffer, length)
    try:
        yield made
    finally:
        made.close()


def _made(buffer: memoryview, length: int | None) -> Inline | Beside:
    if (length is None or length >= WORTH) and len(os.sched_getaffinity(0)) > 1:
        try:
            return Beside(buffer)
        except RuntimeError:
            pass  # a limit of processes or of memory: then in turn
    return Inline(buffer)


def _locked() -> _thread.LockType:
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock
