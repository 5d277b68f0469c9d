"""The ready queue in C against heapq and sortedcontainers: nanoseconds for a pop and a push, and for a cancel by id.

The peers hold (priority, sequence) tuples of ten priorities, as a scheduler in Python would.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any

from pvsched.bench.contest import Round, contest, single
from pvsched.bench.rows import Effort, Row, Target, against

TOPIC = "queue"
HERE = "pvsched.bench.queue"
SIZES = (10**2, 10**3, 10**4, 10**5, 10**6)
PAIRS = 20_000
PRIORITIES = 10


def rows(effort: Effort) -> list[Row]:
    found = []
    for size in SIZES if effort.scale >= 0.5 else SIZES[:-2]:
        found += at_size(size, effort)
    return found


def at_size(size: int, effort: Effort) -> list[Row]:
    pairs = effort.count(PAIRS, 2000)
    names = ("ours", "heapq", "sortedlist", "ours_cancel", "tombstones")
    found = single(contest({name: (f"{HERE}:{name}", size, pairs) for name in names}, effort.rounds))
    ns = {name: [seconds * 1e9 for seconds in rounds] for name, rounds in found.items()}
    label, cancel = f"queue, pop + push, {size:,} waiting", f"queue, cancel by id + push, {size:,} waiting"
    return [
        against(TOPIC, label, "ns", ns["ours"], "heapq", ns["heapq"], Target(0.25)),
        against(TOPIC, label, "ns", ns["ours"], "sortedcontainers", ns.get("sortedlist")),
        against(TOPIC, cancel, "ns", ns["ours_cancel"], "heapq, tombstones", ns["tombstones"], Target(0.07)),
    ]


def core() -> Any:
    from pvsched._core import lib

    return lib


@contextmanager
def ours(size: float, pairs: float) -> Iterator[Round]:
    lib = core()
    yield lambda: lib.pvs_bench_queue(int(size), int(pairs)) / pairs / 1e9


@contextmanager
def ours_cancel(size: float, pairs: float) -> Iterator[Round]:
    lib = core()
    often = max(int(pairs), int(size))
    yield lambda: lib.pvs_bench_cancel(int(size), often) / often / 1e9


def entry(number: int) -> tuple[int, int]:
    """(priority, sequence): scattered, and the same in every run."""
    return number * 2654435761 % 4294967296 % PRIORITIES, number


@contextmanager
def heapq(size: float, pairs: float) -> Iterator[Round]:
    heap = [entry(number) for number in range(int(size))]
    heapify(heap)
    following = iter(range(int(size), 1 << 62))

    def round_of() -> float:
        fresh = [entry(next(following)) for _ in range(int(pairs))]
        began = time.perf_counter()
        for item in fresh:
            heappop(heap)
            heappush(heap, item)
        return (time.perf_counter() - began) / pairs

    yield round_of


@contextmanager
def sortedlist(size: float, pairs: float) -> Iterator[Round]:
    from sortedcontainers import SortedList

    held = SortedList(entry(number) for number in range(int(size)))
    following = iter(range(int(size), 1 << 62))

    def round_of() -> float:
        fresh = [entry(next(following)) for _ in range(int(pairs))]
        began = time.perf_counter()
        for item in fresh:
            held.pop(0)
            held.add(item)
        return (time.perf_counter() - began) / pairs

    yield round_of


class Tombstones:
    """A heap as the heapq manual has it: a cancelled entry stays, marked, until it comes to the top; when they are more
    than half of the heap they are swept out, as asyncio does with its timers, or it would grow for ever."""

    def __init__(self, size: int) -> None:
        self.heap: list[list[Any]] = []
        self.live: dict[int, list[Any]] = {}
        self.dead = 0
        for number in range(size):
            self.push(number)

    def push(self, number: int) -> None:
        item = [*entry(number), True]
        self.live[number] = item
        heappush(self.heap, item)

    def cancel(self, number: int) -> None:
        self.live.pop(number)[2] = False
        self.dead += 1
        while not self.heap[0][2]:
            heappop(self.heap)
            self.dead -= 1
        if self.dead > len(self.heap) // 2:
            self.heap = [item for item in self.heap if item[2]]
            heapify(self.heap)
            self.dead = 0


@contextmanager
def tombstones(size: float, pairs: float) -> Iterator[Round]:
    """Cancels any one, pushes another, often enough that the sweeping takes its share."""
    count, often = int(size), max(int(pairs), int(size))
    held, ids, draw = Tombstones(count), list(range(count)), Random(1).randrange
    following = iter(range(count, 1 << 62))

    def round_of() -> float:
        chosen = [(draw(count), next(following)) for _ in range(often)]
        began = time.perf_counter()
        for place, number in chosen:
            held.cancel(ids[place])
            held.push(number)
            ids[place] = number
        return (time.perf_counter() - began) / often

    yield round_of
