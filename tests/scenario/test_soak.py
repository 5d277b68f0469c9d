"""Rows B1, B2 and B5 of the fault table: many mixed tasks, killed workers, far more load than can be taken.

The amounts are the table's divided by PVSCHED_SOAK (default 1). Every run prints its seed.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import statistics
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

import pvsched
from tests.patience import patience
from tests.scenario.soak_tasks import REGISTRY

DIVIDED_BY = int(os.environ.get("PVSCHED_SOAK", "1"))
SEED = int(os.environ.get("PVSCHED_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
PATIENCE = patience(600)

# of 1,000 tasks; what is left of them is echo
BAD = {"die": 2, "hang": 2, "large": 5, "raise": 20, "nap": 30}
OUTCOMES = {
    "echo": {"succeeded"},
    "large": {"succeeded"},
    "nap": {"succeeded"},
    "raise": {"failed"},
    "die": {"failed"},
    "hang": {"timed_out"},
}


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Soak:
    """Submits a random mix, cancels some, changes settings meanwhile, and keeps the books."""

    def __init__(self, scheduler: pvsched.Scheduler, workers: int) -> None:
        self.random = random.Random(f"{SEED} {workers}")
        self.scheduler = scheduler
        self.inline = workers == 0
        self.kinds: dict[int, str] = {}
        self.cancelled: set[int] = set()
        self.ended: Counter[int] = Counter()
        self.outcomes: Counter[str] = Counter()

    def choose(self) -> str:
        """What the next task does. Inline, in our own process, nothing may die or hang."""
        ticket = self.random.randrange(1000)
        for kind, share in BAD.items():
            if ticket < share:
                return "echo" if self.inline and kind in ("die", "hang") else kind
            ticket -= share
        return "echo"

    def ends(self, document: dict[str, Any]) -> None:
        """One document: check it against what was asked."""
        id, kind = document["id"], self.kinds[document["id"]]
        self.ended[id] += 1
        self.outcomes[document["outcome"]] += 1
        allowed = OUTCOMES[kind] | ({"cancelled"} if id in self.cancelled else set())
        assert document["outcome"] in allowed, (kind, document)
        if document["outcome"] == "succeeded" and kind == "echo":
            assert document["data"] == {"n": id & 1023}
        if kind == "die" and document["outcome"] == "failed":
            assert document["error"]["reason"] == "worker-died"

    def submit(self, n: int) -> None:
        """One more task; now and then one is cancelled."""
        kind = self.choose()
        options: dict[str, Any] = {"priority": self.random.randrange(10)}
        if self.random.randrange(100) == 0 and not self.inline:
            options["executor"] = self.random.choice(["fork", "thread"]) if kind in ("echo", "nap") else "fork"
        next_id = len(self.kinds) + 1
        id = self.scheduler.add_task(pvsched.Task(kind, {"n": next_id & 1023}, **options), self.ends)
        assert id == next_id, "ids are given in order, and never twice"
        self.kinds[id] = kind
        if self.random.randrange(50) == 0:
            victim = id - self.random.randrange(20)
            if self.scheduler.cancel(victim):
                self.cancelled.add(victim)

    def run(self, count: int, most_pending: int = 400) -> None:
        """Keep at most so many under way until so many more have been accepted, then drain."""
        for n in range(count):
            while self.scheduler.pending >= most_pending:
                self.scheduler.run(wait=1.0)
            self.submit(n)
            if self.random.randrange(2000) == 0:
                self.scheduler.set_policy(self.random.choice(["fifo", "strict", "edf", "fair"]))
        self.drain()

    def drain(self) -> None:
        """Run until nothing is pending."""
        until = time.monotonic() + PATIENCE
        while self.scheduler.pending:
            assert time.monotonic() < until, f"still pending: {self.scheduler.tasks()[:5]}"
            self.scheduler.run(wait=1.0)

    def check(self) -> None:
        """None lost, none doubled."""
        assert self.ended.keys() == self.kinds.keys()
        assert set(self.ended.values()) <= {1}


def soak(workers: int, count: int) -> None:
    print(f"PVSCHED_SEED={SEED}")
    with pvsched.Scheduler(workers=workers, registry=REGISTRY, capacity=1024, spares=1) as scheduler:
        work = Soak(scheduler, workers)
        work.run(max(200, count // 4))
        gc.collect()
        before, books = resident(), len(work.kinds)
        work.run(count)
        gc.collect()
        # our own books grow by two dict entries a task; the scheduler by nothing
        own = (len(work.kinds) - books) * 400
        assert resident() - before <= own + (8 << 20)
        assert scheduler.stats()["ended"] == len(work.kinds)
        work.check()


@pytest.mark.parametrize("workers", [0, 1, 2, 8])
def test_mixed_tasks_end_once_each(workers: int) -> None:
    """B1, a fortieth: of mixed good and bad tasks none is lost, none is doubled, memory stays flat."""
    soak(workers, 25_000 // 40)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 2, 8])
def test_mixed_tasks_end_once_each_at_length(workers: int) -> None:
    """B1, the table's amount divided by PVSCHED_SOAK over the four settings of workers."""
    soak(workers, 100_000 // 4 // DIVIDED_BY)


def kill_workers(count: int) -> None:
    """kill -9 one random worker after another while naps run, until so many tasks have ended of it."""
    print(f"PVSCHED_SEED={SEED}")
    choose = random.Random(SEED)
    ended: Counter[int] = Counter()
    died = killed = accepted = 0

    def ends(document: dict[str, Any]) -> None:
        nonlocal died
        ended[document["id"]] += 1
        assert document["outcome"] == "succeeded" or document["error"]["reason"] == "worker-died", document
        died += document["outcome"] == "failed"

    with pvsched.Scheduler(workers=2, registry=REGISTRY) as scheduler:
        while died < count:
            while scheduler.pending < 8:
                scheduler.add_task(pvsched.Task("nap", {"n": accepted}), ends)
                accepted += 1
            scheduler.run(wait=1.0)
            running = [task["worker"] for task in scheduler.tasks() if task.get("worker")]
            if running:
                with suppress(ProcessLookupError):  # it was killed in the last round, and the report is on its way
                    os.kill(choose.choice(running), signal.SIGKILL)
                    killed += 1
        while scheduler.pending:
            scheduler.run(wait=1.0)
    assert len(ended) == accepted
    assert set(ended.values()) == {1}
    assert died <= killed, "a kill costs the one that runs, and none that was sent ahead"


def test_a_killed_worker_costs_its_task_alone() -> None:
    """B2, 50 of 5,000: kill -9 of a random worker ends one task as worker-died and loses no other."""
    kill_workers(50)


@pytest.mark.slow
def test_killed_workers_cost_their_tasks_alone_at_length() -> None:
    """B2, the table's amount divided by PVSCHED_SOAK."""
    kill_workers(max(50, 5_000 // DIVIDED_BY))


def test_overload_is_refused_and_the_accepted_go_on() -> None:
    """B5: of a hundred times what the queue takes, the rest is refused at once and every accepted task succeeds."""
    ended: Counter[str] = Counter()
    refused = accepted = 0
    with pvsched.Scheduler(workers=2, registry=REGISTRY, capacity=256) as scheduler:
        for n in range(256 * 100):
            try:
                scheduler.add_task(pvsched.Task("echo", n), lambda document: ended.update([document["outcome"]]))
                accepted += 1
            except pvsched.QueueFull as error:
                refused += 1
                assert error.waiting <= 256
                assert error.code == "queue-full"
                assert error.hint
            if n % 64 == 0:
                scheduler.run()
        while scheduler.pending:
            scheduler.run(wait=1.0)
    assert refused > 0
    assert refused + accepted == 256 * 100
    assert ended == {"succeeded": accepted}


class Load:
    """Naps of 2 ms, and how long each ran."""

    def __init__(self, scheduler: pvsched.Scheduler) -> None:
        self.scheduler = scheduler
        self.accepted = self.refused = 0
        self.ran: list[float] = []

    def offer(self, times: int) -> None:
        """As many at once."""
        for _ in range(times):
            try:
                self.scheduler.add_task(pvsched.Task("nap", 0), self._ends)
                self.accepted += 1
            except pvsched.QueueFull:
                self.refused += 1

    def _ends(self, document: dict[str, Any]) -> None:
        assert document["outcome"] == "succeeded", document
        self.ran.append(document["ended_at"] - document["started_at"])

    def go_on(self, seconds: float, at_once: int) -> tuple[float, float]:
        """Offer and run for so long; return the tasks that ended in a second, and the median time that they ran."""
        self.ran.clear()
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            self.offer(at_once)
            self.scheduler.run(wait=0.01)
            assert self.scheduler.pending <= 256
        return len(self.ran) / (time.monotonic() - begun), statistics.median(self.ran)


@pytest.mark.slow
def test_a_minute_of_a_hundred_times_the_load() -> None:
    """B5: the queue stays bounded, refusals are explicit, what is accepted is served as fast as without the crowd."""
    with pvsched.Scheduler(workers=2, registry=REGISTRY, capacity=256) as scheduler:
        load = Load(scheduler)
        load.go_on(patience(1), 4)  # until the workers are there
        calm, crowded = [], []
        for _ in range(12):  # in turns, for the machine's own pace changes
            calm.append(load.go_on(2, 4))
            crowded.append(load.go_on(5, 100))
        while scheduler.pending:
            scheduler.run(wait=1.0)
    (rate, ran), (crowded_rate, crowded_ran) = ([statistics.median(x) for x in zip(*of)] for of in (calm, crowded))
    print(f"{rate:.0f}/s, {ran * 1000:.2f} ms each; crowded {crowded_rate:.0f}/s, {crowded_ran * 1000:.2f} ms")
    # To offer costs the processor, too: of a slow one a greater part.
    assert crowded_rate > rate / patience(3), "a busy machine has its moods; starved they would be a hundredth"
    assert crowded_ran < patience(3) * ran
    assert load.refused > 20 * load.accepted
