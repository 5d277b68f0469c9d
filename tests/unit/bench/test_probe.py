"""The probe: what it counts, and how it reads an answer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvsched.bench.latency import echoing
from pvsched.bench.probe import Latencies, Probe, alternate, whole


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[str]:
    """A process that answers every question."""
    with echoing(str(tmp_path / "echo")) as path:
        yield path


def test_every_slot_is_asked_and_answered_by_one_who_answers(echo: str) -> None:
    """Bursts add up; each answer has its moment and its wait."""
    made = Probe(echo, period=0.01)
    origin = time.perf_counter()
    for _ in range(2):
        made.burst(0.05, origin)
    made.close()
    seen = made.seen()
    assert seen.asked >= 10
    assert 1 <= len(seen.took) <= seen.asked
    assert len(seen.at) == len(seen.took)
    assert list(seen.at) == sorted(seen.at)


def test_two_are_asked_in_turn(echo: str, tmp_path: Path) -> None:
    """Both get bursts, and no question to one falls into a burst of the other."""
    with echoing(str(tmp_path / "other")) as other:
        first, second = alternate((echo, other), 0.25, block=0.05)
    assert first.took
    assert second.took
    both = sorted([(at, 0) for at in first.at] + [(at, 1) for at in second.at])
    turns = sum(a[1] != b[1] for a, b in itertools.pairwise(both))
    assert 1 <= turns <= 7


def test_quantiles_are_nearest_rank() -> None:
    """p50 and p99 of a hundred known waits."""
    seen = Latencies(100, [0.0] * 100, [number / 100 for number in range(100)])
    assert (seen.quantile(0.5), seen.quantile(0.99)) == (0.5, 0.99)


def test_a_long_wait_counts_in_every_slice_that_it_touches() -> None:
    """A wait from 0.5 s to 2.5 s fills three slices of a second; a short one its own alone."""
    seen = Latencies(10, [0.5, 3.2], [2.0, 0.1])
    assert seen.slices(4, 4.0) == [2.0, 2.0, 2.0, 0.1]


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 40),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX: y\r\n\r\n[]", 46),
    ],
)
def test_the_length_of_an_answer_is_known_when_its_head_is_whole(start: bytes, length: int) -> None:
    """0 until the blank line, then head and body together."""
    assert whole(bytearray(start)) == length
