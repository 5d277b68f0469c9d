"""Random programs of submit, cancel, die, tick and change, against a plain Python model (reliability, row B6).

The clock is fake and only `turn` lets the scheduler work. Inline the model knows which task runs next and how each one
ends; with real workers it knows what must hold at every moment: each accepted task ends once, with an outcome that it
may have.
"""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import pvsched
from pvsched.testing import FakeClock
from tests.patience import patience
from tests.unit.scheduler.handlers import REGISTRY

EXAMPLES = int(os.environ.get("PVSCHED_MODEL_EXAMPLES", "60"))
CAPACITY = 12
LIMITED = settings(
    max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

LANES = st.sampled_from(["a", "b", "c"])


class ModelTask:
    """What the model remembers of a waiting task."""

    def __init__(self, id: int, name: str, priority: int, lane: str, expires: int | None) -> None:
        self.id = id
        self.name = name
        self.priority = priority
        self.lane = lane
        self.expires = expires
        self.cancelled = False


class InlineModel(RuleBasedStateMachine):
    """workers=0: the model predicts the order of runs and the outcome of every task."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.registry = pvsched.Registry()
        self.ran: list[int] = []
        self.registry.register("good", lambda data, context: self.ran.append(context.id))
        self.registry.register("bad", self._bad)
        self.registry.register("slow", self._slow, timeout=5)
        self.waiting: dict[int, ModelTask] = {}
        self.ended: dict[int, str] = {}
        self.expected: dict[int, str] = {}
        self.expected_order: list[int] = []
        self.running: ModelTask | None = None
        self.policy = "fifo"

    def _bad(self, data: Any, context: pvsched.Context) -> None:
        self.ran.append(context.id)
        raise RuntimeError

    def _slow(self, data: Any, context: pvsched.Context) -> None:
        self.ran.append(context.id)
        self.clock.advance(6)

    @initialize(policy=st.sampled_from(["fifo", "strict", "edf"]))
    def open(self, policy: str) -> None:
        self.policy = policy
        self.scheduler = pvsched.Scheduler(
            0,
            policy=policy,
            registry=self.registry,
            clock=self.clock,
            capacity=CAPACITY,  # type: ignore[arg-type]
        )

    @rule(
        name=st.sampled_from(["good", "bad", "slow"]),
        priority=st.integers(0, 9),
        lane=LANES,
        queue_timeout=st.sampled_from([None, 1, 3, 10]),
    )
    def submit(self, name: str, priority: int, lane: str, queue_timeout: int | None) -> None:
        task = pvsched.Task(name, priority=priority, lane=lane, queue_timeout=queue_timeout)
        live = len(self.waiting) + (self.running is not None)
        try:
            id = self.scheduler.add_task(task, self._called)
        except pvsched.QueueFull:
            assert live >= CAPACITY
            return
        assert live < CAPACITY
        assert id not in self.ended
        expires = self.clock() + queue_timeout * 10**9 if queue_timeout else None
        self.waiting[id] = ModelTask(id, name, priority, lane, expires)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        id = data.draw(st.integers(1, max([1, *self.waiting, *self.ended])))
        alive = id in self.waiting and not self.waiting[id].cancelled
        answer = self.scheduler.cancel(id)
        if alive:
            assert answer
            self.waiting[id].cancelled = True
        elif id not in self.waiting and (self.running is None or self.running.id != id):
            assert not answer

    @rule(seconds=st.sampled_from([0.5, 1, 2, 20]))
    def tick(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(policy=st.sampled_from(["fifo", "strict", "edf"]))
    def change_policy(self, policy: str) -> None:
        self.scheduler.set_policy(policy)  # type: ignore[arg-type]
        self.policy = policy

    @rule()
    def turn(self) -> None:
        """One run(): what has ended is told, what is due expires, the policy's first runs."""
        if self.running is not None:
            outcome = {"good": "succeeded", "bad": "failed", "slow": "timed_out"}[self.running.name]
            self.expected[self.running.id] = outcome
            self.running = None
        for task in list(self.waiting.values()):
            if task.cancelled:
                self.expected[task.id] = "cancelled"
                del self.waiting[task.id]
            elif task.expires is not None and task.expires <= self.clock():
                self.expected[task.id] = "expired"
                del self.waiting[task.id]
        if self.waiting:
            self.running = min(self.waiting.values(), key=self._rank)
            del self.waiting[self.running.id]
            self.expected_order.append(self.running.id)
        self.scheduler.run()
        assert self.ran == self.expected_order
        assert self.ended == self.expected

    def _rank(self, task: ModelTask) -> tuple[float, ...]:
        if self.policy == "fifo":
            return (task.id,)
        if self.policy == "strict":
            return (task.priority, task.id)
        return (task.expires if task.expires is not None else float("inf"), task.id)

    def _called(self, document: dict[str, Any]) -> None:
        assert document["id"] not in self.ended, "called back twice"
        self.ended[document["id"]] = document["outcome"]

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "scheduler"):
            assert self.scheduler.pending == len(self.waiting) + (self.running is not None)

    def teardown(self) -> None:
        if hasattr(self, "scheduler"):
            left = set(self.waiting) | ({self.running.id} if self.running else set())
            self.scheduler.close()
            assert set(self.ended) == set(self.expected) | left


class WorkerModel(RuleBasedStateMachine):
    """Real workers that succeed, raise, die, hang: each accepted task is called back once, with a fitting outcome."""

    MAY = {
        "echo": {"succeeded", "cancelled", "expired"},
        "raise": {"failed", "cancelled", "expired"},
        "exit": {"failed", "cancelled", "expired"},
        "kill-self": {"failed", "cancelled", "expired"},
        "sleep": {"timed_out", "cancelled", "expired"},
    }

    def __init__(self) -> None:
        super().__init__()
        self.accepted: dict[int, str] = {}
        self.ended: dict[int, str] = {}
        self.cancelled: set[int] = set()

    @initialize(executor=st.sampled_from(["fork", "pool", "thread"]), workers=st.integers(0, 3))
    def open(self, executor: Any, workers: int) -> None:
        self.local = executor == "thread" or workers == 0
        self.scheduler = pvsched.Scheduler(workers, executor, registry=REGISTRY, max_workers=4, capacity=CAPACITY)

    @rule(
        name=st.sampled_from(sorted(MAY)),
        priority=st.integers(0, 9),
        lane=LANES,
        key=st.sampled_from([None, None, None, "k"]),
        mode=st.sampled_from(["refuse", "coalesce", "replace"]),
        queue_timeout=st.sampled_from([None, None, 0.02]),
    )
    def submit(self, name: str, priority: int, lane: str, key: Any, mode: Any, queue_timeout: Any) -> None:
        if self.local and name in ("exit", "kill-self"):
            return  # they would be ours
        data = {"exit": 3, "kill-self": 9, "sleep": 0.05 if self.local else 30}.get(name, name)
        timeout = 0.02 if name == "sleep" else 30
        if key is not None:
            name, data, timeout = "echo", "shared", 30  # whoever shares may get any outcome of the one that works
        task = pvsched.Task(
            name,
            data,
            priority=priority,
            lane=lane,
            key=key,
            on_duplicate=mode,
            timeout=timeout,
            queue_timeout=queue_timeout,
        )
        try:
            id = self.scheduler.add_task(task, self._called)
        except (pvsched.QueueFull, pvsched.DuplicateKey):
            return
        self.accepted[id] = name

    def _called(self, document: dict[str, Any]) -> None:
        id = document["id"]
        assert id not in self.ended, "called back twice"
        self.ended[id] = document["outcome"]
        may = self.MAY[document["type"]]
        assert document["outcome"] in may, document
        if document["outcome"] == "cancelled" and document["by"] == "caller":
            assert id in self.cancelled, document

    @rule(pick=st.integers(0, CAPACITY))
    def cancel(self, pick: int) -> None:
        live = sorted(set(self.accepted) - set(self.ended))
        if live:
            id = live[pick % len(live)]  # drawn before: what lives depends on how fast the workers are
            self.cancelled.add(id)
            self.scheduler.cancel(id)

    @rule(policy=st.sampled_from(["fifo", "strict", "edf", "fair"]))
    def change_policy(self, policy: Any) -> None:
        self.scheduler.set_policy(policy)

    @precondition(lambda self: not self.local)
    @rule(workers=st.integers(1, 4))
    def change_workers(self, workers: int) -> None:
        self.scheduler.set_workers(workers)

    @rule(lane=LANES, limit=st.sampled_from([None, 1, 2]), weight=st.sampled_from(["low", "medium", "high"]))
    def change_lane(self, lane: str, limit: Any, weight: str) -> None:
        self.scheduler.set_lane(lane, limit, weight)

    @rule()
    def turn(self) -> None:
        self.scheduler.run(wait=0.01)

    @invariant()
    def none_is_lost(self) -> None:
        if hasattr(self, "scheduler"):
            assert self.scheduler.pending == len(self.accepted) - len(self.ended)

    def teardown(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        until = time.monotonic() + patience(20)
        while self.scheduler.pending:
            assert time.monotonic() < until, self.scheduler.tasks()
            self.scheduler.run(wait=0.1)
        self.scheduler.close()
        assert set(self.ended) == set(self.accepted)


pytestmark = pytest.mark.timeout(300 + EXAMPLES // 5)

TestInlineModel = InlineModel.TestCase
TestInlineModel.settings = LIMITED
TestWorkerModel = WorkerModel.TestCase
TestWorkerModel.settings = settings(LIMITED, max_examples=max(5, EXAMPLES // 4), stateful_step_count=30)
