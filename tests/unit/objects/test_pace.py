"""How slow is too slow."""

from __future__ import annotations

import pytest

from pvsched.objects.pace import Pace, TooSlow


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def wait(pace: Pace, clock: Clock, seconds: float) -> float:
    """Waits for the client so long; returns how long it would have been allowed."""
    longest = pace.waiting()
    clock.now += seconds
    pace.waited()
    return longest


def test_silence_is_ended_at_the_limit_and_not_before() -> None:
    """Waits add up until a byte comes."""
    clock = Clock()
    pace = Pace(10, 0, clock)
    assert wait(pace, clock, 9) == 10
    assert wait(pace, clock, 0.5) == 1
    pace.moved(1)
    assert wait(pace, clock, 9.5) == 10
    with pytest.raises(TooSlow):
        wait(pace, clock, 0.5)


def test_a_trickle_is_ended_after_a_window() -> None:
    """A byte now and then keeps silence away, but not the minimum rate."""
    clock = Clock()
    pace = Pace(10, 100, clock)
    for _ in range(9):
        wait(pace, clock, 1)
        pace.moved(99)
    with pytest.raises(TooSlow):
        wait(pace, clock, 1)


def test_just_enough_goes_on_for_ever() -> None:
    """At the minimum rate a transfer is never ended."""
    clock = Clock()
    pace = Pace(10, 100, clock)
    for _ in range(1000):
        pace.moved(100)
        wait(pace, clock, 1)


def test_time_that_is_not_spent_waiting_does_not_count() -> None:
    """A disk of ours that takes an hour is not held against the client."""
    clock = Clock()
    pace = Pace(10, 100, clock)
    for _ in range(100):
        pace.moved(100)
        clock.now += 3600
        wait(pace, clock, 0.5)
