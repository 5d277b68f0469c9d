"""The probe: what it counts, and how it reads an answer."""

from __future__ import annotations

import pytest

from pvsched.bench.probe import Latencies, whole


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
