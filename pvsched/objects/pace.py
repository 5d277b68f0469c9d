"""How slow a client may be. Only time spent waiting for the client counts: a slow disk of ours is not its fault."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class TooSlow(Exception):
    """The client made too little progress for too long."""


class Pace:
    """Judges a transfer: no progress for `stall` seconds, or fewer than `rate` bytes a second over them, is too slow.

    `clock` gives seconds. `rate` 0 leaves only the first rule.
    """

    __slots__ = ("_clock", "_moved", "_rate", "_since", "_stall", "_still", "_waited")

    def __init__(self, stall: float, rate: int, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._stall = stall
        self._rate = rate
        self._moved = 0  # bytes in this window
        self._waited = 0.0  # seconds waited in this window
        self._still = 0.0  # seconds waited since the last byte
        self._since = 0.0

    def moved(self, count: int) -> None:
        """`count` bytes went through."""
        self._moved += count
        self._still = 0.0

    def waiting(self) -> float:
        """A wait begins; returns the longest it may last, in seconds."""
        self._since = self._clock()
        return self._stall - self._still

    def waited(self) -> None:
        """The wait is over. Raises TooSlow."""
        spent = self._clock() - self._since
        self._still += spent
        self._waited += spent
        if self._still >= self._stall:
            raise TooSlow
        if self._waited >= self._stall:
            if self._moved < self._rate * self._waited:
                raise TooSlow
            self._moved, self._waited = 0, 0.0
