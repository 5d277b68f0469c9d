"""A clock that moves when it is told to."""

from __future__ import annotations


class FakeClock:
    """Stands for CLOCK_MONOTONIC: `Scheduler(clock=FakeClock())`. Begins at `start` seconds, never goes back.

    The core's own timer still follows the real clock: drive a scheduler with this one by `run()` without `wait=`.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = round(start * 1e9)

    def __call__(self) -> int:
        """Return nanoseconds, as the scheduler asks."""
        return self._now

    def time(self) -> float:
        """Return seconds, as documents say them."""
        return self._now / 1e9

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError for a negative amount."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._now += round(seconds * 1e9)
