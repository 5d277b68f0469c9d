"""Long-lived workers: time a task with many under way, with a backlog, and of one round trip.

A no-op task, a small dict back, two workers, a timeout of 30 s on every task where the peer has timeouts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from pvsched.bench.contest import Round, contest, single
from pvsched.bench.rows import Effort, Row, Target, against
from pvsched.bench.work import noop

TOPIC = "pool"
WORKERS = 2
TIMEOUT = 30.0
CHUNK = 64
HERE = "pvsched.bench.pool"


def rows(effort: Effort) -> list[Row]:
    return [*throughput(effort), *round_trip(effort)]


def throughput(effort: Effort) -> list[Row]:
    count = effort.count(3000, 200)
    names = ("ours", "alone", "backlog", "executor", "pool", "chunks", "pebble", "billiard")
    found = single(contest({name: (f"{HERE}:{name}", count) for name in names}, effort.rounds))
    us = {name: [seconds * 1e6 / count for seconds in rounds] for name, rounds in found.items()}
    one, many = us["ours"], us["backlog"]
    name = "pool, one task a message"
    backlog = "pool under backlog"
    return [
        against(TOPIC, name, "us", one, "ProcessPoolExecutor", us["executor"], Target(0.30, 0.20)),
        against(TOPIC, name, "us", one, "pebble", us.get("pebble"), Target(0.50, 0.33)),
        against(TOPIC, f"{name}, none ahead", "us", us["alone"], "ProcessPoolExecutor", us["executor"]),
        against(TOPIC, name, "us", one, "billiard", us.get("billiard")),
        against(TOPIC, name, "us", one, "multiprocessing.Pool", us["pool"]),
        against(TOPIC, backlog, "us", many, "pebble", us.get("pebble"), Target(0.10)),
        against(TOPIC, backlog, "us", many, f"Pool, chunks of {CHUNK}", us["chunks"], Target(2.0), note="the stretch"),
    ]


def round_trip(effort: Effort) -> list[Row]:
    count = effort.count(1000, 100)
    names = ("ours_single", "executor_single", "pebble_single")
    found = single(contest({name: (f"{HERE}:{name}", count) for name in names}, effort.rounds))
    us = {name: [seconds * 1e6 for seconds in rounds] for name, rounds in found.items()}
    ours = us["ours_single"]
    name = "pool, single round trip p50"
    return [
        against(TOPIC, name, "us", ours, "pebble", us.get("pebble_single"), Target(0.45, 0.38)),
        against(TOPIC, name, "us", ours, "ProcessPoolExecutor", us["executor_single"]),
    ]


# -- ours -----------------------------------------------------------------------------------------


@contextmanager
def scheduler(executor: Any = "pool", workers: int = WORKERS, **settings: Any) -> Iterator[Any]:
    """A scheduler whose workers are up, with the task `bench` known as an importable one."""
    from pvsched import Registry, Scheduler, Task

    registry = Registry()
    registry.register("bench", "pvsched.bench.work:noop")
    registry.register("sleep", "pvsched.bench.work:sleep")
    with Scheduler(workers=workers, executor=executor, registry=registry, **settings) as made:
        for _ in range(4 * max(1, workers)):
            made.add_task(Task("bench", 0))
        while made.pending:
            made.run(wait=1.0)
        yield made


@contextmanager
def drained(count: float, **settings: Any) -> Iterator[Round]:
    """Rounds that submit so many tasks and run until all are called back."""
    from pvsched import Task

    with scheduler(capacity=int(count) + 64, **settings) as made:

        def round_of() -> float:
            ended: list[Any] = []
            began = time.perf_counter()
            for number in range(int(count)):
                made.add_task(Task("bench", number, timeout=TIMEOUT), ended.append)
            while made.pending:
                made.run(wait=1.0)
            took = time.perf_counter() - began
            assert all(document["outcome"] == "succeeded" for document in ended)
            assert len(ended) == int(count)
            return took

        yield round_of


def ours(count: float) -> Any:
    """One task a message; as with the peers, whose pipes hold tasks too, the next one waits at the worker."""
    return drained(count, batch=2)


def alone(count: float) -> Any:
    """One task a message, and a worker gets the next one only when it has answered."""
    return drained(count, batch=1)


def backlog(count: float) -> Any:
    return drained(count)


@contextmanager
def ours_single(count: float) -> Iterator[Round]:
    from pvsched import Task

    with scheduler() as made:

        def one(number: int) -> None:
            made.add_task(Task("bench", number, timeout=TIMEOUT), lambda document: None)
            while made.pending:
                made.run(wait=1.0)

        yield lambda: p50(one, int(count))


def p50(one: Any, count: int) -> float:
    """Median of so many single calls, in seconds."""
    took = []
    for number in range(count):
        began = time.perf_counter()
        one(number)
        took.append(time.perf_counter() - began)
    return median(took)


# -- the peers ------------------------------------------------------------------------------------


@contextmanager
def executor_made() -> Iterator[Any]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(WORKERS, mp_context=get_context("fork")) as made:
        for future in [made.submit(noop, 0) for _ in range(8)]:
            future.result()
        yield made


@contextmanager
def executor(count: float) -> Iterator[Round]:
    with executor_made() as made:

        def round_of() -> float:
            began = time.perf_counter()
            for future in [made.submit(noop, number) for number in range(int(count))]:
                future.result()
            return time.perf_counter() - began

        yield round_of


@contextmanager
def executor_single(count: float) -> Iterator[Round]:
    with executor_made() as made:
        yield lambda: p50(lambda number: made.submit(noop, number).result(), int(count))


@contextmanager
def pool(count: float) -> Iterator[Round]:
    from multiprocessing import get_context

    with get_context("fork").Pool(WORKERS) as made:

        def round_of() -> float:
            began = time.perf_counter()
            for result in [made.apply_async(noop, (number,)) for number in range(int(count))]:
                result.get()
            return time.perf_counter() - began

        yield round_of


@contextmanager
def chunks(count: float) -> Iterator[Round]:
    from multiprocessing import get_context

    with get_context("fork").Pool(WORKERS) as made:

        def round_of() -> float:
            began = time.perf_counter()
            made.map(noop, range(int(count)), CHUNK)
            return time.perf_counter() - began

        yield round_of


@contextmanager
def pebble_made() -> Iterator[Any]:
    from multiprocessing import get_context

    from pebble import ProcessPool

    with ProcessPool(WORKERS, context=get_context("fork")) as made:
        for future in [made.schedule(noop, args=(0,), timeout=TIMEOUT) for _ in range(8)]:
            future.result()
        yield made


@contextmanager
def pebble(count: float) -> Iterator[Round]:
    with pebble_made() as made:

        def round_of() -> float:
            began = time.perf_counter()
            futures = [made.schedule(noop, args=(number,), timeout=TIMEOUT) for number in range(int(count))]
            for future in futures:
                future.result()
            return time.perf_counter() - began

        yield round_of


@contextmanager
def pebble_single(count: float) -> Iterator[Round]:
    with pebble_made() as made:
        yield lambda: p50(lambda n: made.schedule(noop, args=(n,), timeout=TIMEOUT).result(), int(count))


@contextmanager
def billiard(count: float) -> Iterator[Round]:
    import billiard as library

    made = library.Pool(WORKERS, timeout=TIMEOUT)
    try:

        def round_of() -> float:
            began = time.perf_counter()
            for result in [made.apply_async(noop, (number,)) for number in range(int(count))]:
                result.get()
            return time.perf_counter() - began

        yield round_of
    finally:
        made.terminate()
        made.join()
