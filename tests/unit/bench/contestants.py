"""Contestants for the tests of the contest; they run in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counter(start: float) -> Iterator[Callable[[], float]]:
    """Each round gives the next number."""
    state = [start]

    def round_of() -> float:
        state[0] += 1
        return state[0]

    yield round_of


@contextmanager
def pid() -> Iterator[Callable[[], dict[str, float]]]:
    """Two figures by name; what it prints is not what the contest reads."""
    print("noise on standard output")
    yield lambda: {"pid": float(os.getpid()), "one": 1.0}


@contextmanager
def missing() -> Iterator[Callable[[], float]]:
    """Measures something that is not installed."""
    import a_library_that_nobody_has  # type: ignore[import-not-found]

    yield a_library_that_nobody_has.run


@contextmanager
def broken() -> Iterator[Callable[[], float]]:
    """Fails in its first round."""
    yield lambda: 1.0 / 0.0


@contextmanager
def stuck() -> Iterator[Callable[[], float]]:
    """Never comes back from its first round."""
    yield lambda: float(os.read(os.pipe()[0], 1))
