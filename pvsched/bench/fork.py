"""A fresh process a task, and a program a task, against what one would write by hand.

All of them one after another (submit, wait for the end, submit the next), so that both sides have the same concurrency.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pvsched.bench.contest import Round, contest, single
from pvsched.bench.pool import p50, scheduler
from pvsched.bench.rows import Effort, Row, Target, against
from pvsched.bench.work import noop
from pvsched.machine import memory

TOPIC = "fork"
HERE = "pvsched.bench.fork"
GROWN = 100 << 20
ROOM = 3 * GROWN  # two contestants hold a heap of that size at once; the rest is for all others, and for a copied page
PROGRAM = "/bin/true"


def rows(effort: Effort) -> list[Row]:
    return [*forks(effort), *programs(effort)]


def forks(effort: Effort) -> list[Row]:
    count = effort.count(100, 20)
    available = memory().get("MemAvailable", ROOM)
    roomy = available >= ROOM
    names = ("ours", "by_hand", "process", *(("ours_grown", "by_hand_grown") if roomy else ()))
    found = single(contest({name: (f"{HERE}:{name}", count) for name in names}, effort.rounds))
    us = {name: [seconds * 1e6 for seconds in rounds] for name, rounds in found.items()}
    name = "fork a task, small heap"
    grown = "fork a task, heap grown by 100 MB"
    small = [
        against(TOPIC, name, "us", us["ours"], "os.fork by hand", us["by_hand"], Target(0.9, 0.75)),
        against(TOPIC, name, "us", us["ours"], "multiprocessing.Process", us["process"], Target(0.45, 0.37)),
    ]
    if not roomy:
        sys.stderr.write(f"\rfork: no heap grown by 100 MB: of {ROOM >> 20} MiB {available >> 20} are available\n")
        return small
    return [
        *small,
        against(TOPIC, grown, "us", us["ours_grown"], "ours before", us["ours"], Target(1.1, 1.0)),
        against(TOPIC, grown, "us", us["ours_grown"], "os.fork by hand", us["by_hand_grown"]),
    ]


def programs(effort: Effort) -> list[Row]:
    count = effort.count(100, 20)
    names = ("ours_exec", "subprocess_run", "asyncio_exec")
    found = single(contest({name: (f"{HERE}:{name}", count) for name in names}, effort.rounds))
    us = {name: [seconds * 1e6 for seconds in rounds] for name, rounds in found.items()}
    name = f"exec {PROGRAM}"
    return [
        against(TOPIC, name, "us", us["ours_exec"], "subprocess.run", us["subprocess_run"]),
        against(TOPIC, name, "us", us["ours_exec"], "asyncio subprocess", us["asyncio_exec"]),
    ]


def grow() -> bytearray:
    """100 MB more of heap, every page of it touched."""
    heap = bytearray(GROWN)
    heap[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(heap[:: os.sysconf("SC_PAGE_SIZE")])
    return heap


@contextmanager
def ours(count: float, grown: bool = False) -> Iterator[Round]:
    from pvsched import Task

    with scheduler("fork") as made:
        heap = grow() if grown else None

        def one(number: int) -> None:
            ended: list[Any] = []
            made.add_task(Task("bench", number, timeout=30.0), ended.append)
            while made.pending:
                made.run(wait=1.0)
            assert ended[0]["data"] == {"ok": True, "n": number}, ended

        yield lambda: p50(one, int(count))
        del heap


def ours_grown(count: float) -> Any:
    return ours(count, True)


def fork_once(number: int) -> None:
    """What one writes by hand: a pipe, a fork, JSON through the pipe, waitpid. No timeout, no kill, no tree."""
    import json

    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, json.dumps(noop(number)).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        json.loads(pipe.read())
    os.waitpid(pid, 0)


@contextmanager
def by_hand(count: float, grown: bool = False) -> Iterator[Round]:
    heap = grow() if grown else None
    yield lambda: p50(fork_once, int(count))
    del heap


def by_hand_grown(count: float) -> Any:
    return by_hand(count, True)


def answer(queue: Any, number: int) -> None:
    queue.put(noop(number))


@contextmanager
def process(count: float) -> Iterator[Round]:
    from multiprocessing import get_context

    context = get_context("fork")
    queue = context.SimpleQueue()

    def one(number: int) -> None:
        child = context.Process(target=answer, args=(queue, number))
        child.start()
        queue.get()
        child.join()

    yield lambda: p50(one, int(count))


# -- programs -------------------------------------------------------------------------------------


@contextmanager
def ours_exec(count: float) -> Iterator[Round]:
    from pvsched import Task

    with scheduler() as made:

        def one(number: int) -> None:
            ended: list[Any] = []
            made.add_task(Task("program", argv=[PROGRAM], executor="exec", timeout=30.0), ended.append)
            while made.pending:
                made.run(wait=1.0)
            assert ended[0]["outcome"] == "succeeded", ended

        yield lambda: p50(one, int(count))


@contextmanager
def subprocess_run(count: float) -> Iterator[Round]:
    import subprocess

    run: Callable[[int], Any] = lambda number: subprocess.run([PROGRAM], capture_output=True, timeout=30.0, check=True)  # noqa: E731
    yield lambda: p50(run, int(count))


@contextmanager
def asyncio_exec(count: float) -> Iterator[Round]:
    import asyncio

    async def one() -> None:
        child = await asyncio.create_subprocess_exec(PROGRAM, stdout=asyncio.subprocess.PIPE)
        await asyncio.wait_for(child.communicate(), 30.0)

    async def all_of_them() -> float:
        took = []
        for _ in range(int(count)):
            began = time.perf_counter()
            await one()
            took.append(time.perf_counter() - began)
        return sorted(took)[len(took) // 2]

    yield lambda: asyncio.run(all_of_them())
