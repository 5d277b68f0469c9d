"""From a deadline to the moment when the child is dead, reaped, and the caller knows it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from pvsched.bench.contest import Round, contest, single
from pvsched.bench.pool import scheduler
from pvsched.bench.rows import Effort, Row, Target, against, alone
from pvsched.bench.work import sleep

TOPIC = "lateness"
HERE = "pvsched.bench.lateness"
TIMEOUT = 0.05
CHILD = ["/bin/sleep", "10"]


def rows(effort: Effort) -> list[Row]:
    count = effort.count(20, 5)
    names = ("ours", "asyncio_wait_for", "subprocess_run", "pebble", "by_hand")
    found = single(contest({name: (f"{HERE}:{name}", count) for name in names}, effort.rounds))
    ms = {name: [seconds * 1e3 for seconds in rounds] for name, rounds in found.items()}
    name = "timeout lateness, small child, p50"
    value = Target(0.4, 0.17, of="value")
    return [
        against(TOPIC, name, "ms", ms["ours"], "asyncio wait_for+kill+wait", ms["asyncio_wait_for"], Target(0.3)),
        alone(TOPIC, name, "ms", ms["ours"], value),
        against(TOPIC, name, "ms", ms["ours"], "subprocess.run(timeout)", ms["subprocess_run"]),
        against(TOPIC, name, "ms", ms["ours"], "pebble", ms.get("pebble")),
        against(TOPIC, name, "ms", ms["ours"], "pidfd by hand, one child and no tree", ms.get("by_hand")),
    ]


@contextmanager
def ours(count: float) -> Iterator[Round]:
    from pvsched import Task

    with scheduler() as made:

        def one() -> float:
            late: list[float] = []

            def ended(document: dict[str, Any]) -> None:
                assert document["outcome"] == "timed_out", document
                late.append(time.monotonic() - document["started_at"] - TIMEOUT)

            made.add_task(Task("child", argv=CHILD, executor="exec", timeout=TIMEOUT), ended)
            while made.pending:
                made.run(wait=1.0)
            return late[0]

        yield lambda: median([one() for _ in range(int(count))])


@contextmanager
def asyncio_wait_for(count: float) -> Iterator[Round]:
    import asyncio

    async def one() -> float:
        child = await asyncio.create_subprocess_exec(*CHILD)
        began = time.monotonic()
        try:
            await asyncio.wait_for(child.wait(), TIMEOUT)
        except asyncio.TimeoutError:
            child.kill()
            await child.wait()
        return time.monotonic() - began - TIMEOUT

    async def some() -> float:
        return median([await one() for _ in range(int(count))])

    yield lambda: asyncio.run(some())


@contextmanager
def subprocess_run(count: float) -> Iterator[Round]:
    import subprocess

    def one() -> float:
        began = time.monotonic()
        try:
            subprocess.run(CHILD, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            pass
        return time.monotonic() - began - TIMEOUT

    yield lambda: median([one() for _ in range(int(count))])


@contextmanager
def by_hand(count: float) -> Iterator[Round]:
    """What the kernel takes to end one child and say so: nothing else is looked at, and nobody else is served."""
    import select

    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as refused:
        raise ModuleNotFoundError("this kernel has no pidfd", name="pidfd") from refused

    def one() -> float:
        pid = os.posix_spawn(CHILD[0], CHILD, os.environ)
        descriptor = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        due = time.monotonic() + TIMEOUT
        poll.poll(TIMEOUT * 1e3)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        poll.poll()
        os.waitpid(pid, 0)
        late = time.monotonic() - due
        os.close(descriptor)
        return late

    yield lambda: median([one() for _ in range(int(count))])


@contextmanager
def pebble(count: float) -> Iterator[Round]:
    from concurrent.futures import TimeoutError as Late  # not the built-in one in Python 3.10
    from multiprocessing import get_context

    from pebble import ProcessPool

    # forkserver: after a kill it makes a worker from a thread, and a plain fork may then wait for a lock for ever
    with ProcessPool(2, context=get_context("forkserver")) as made:
        made.schedule(sleep, args=(0.0,)).result()

        def one() -> float:
            began = time.monotonic()
            future = made.schedule(sleep, args=(10.0,), timeout=TIMEOUT)
            try:
                future.result()
            except Late:
                pass
            return time.monotonic() - began - TIMEOUT

        yield lambda: median([one() for _ in range(min(5, int(count)))])
