"""A way to run tasks to their end, and to wait for what they show, without timed assertions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pvsched
from tests.patience import patience
from tests.unit.scheduler.handlers import REGISTRY

PATIENCE = patience(30)  # seconds until a test that hangs fails instead


class Bench:
    """Opens schedulers on the test registry, runs them until something is so, closes them."""

    def __init__(self) -> None:
        self.opened: list[pvsched.Scheduler] = []

    def open(self, **options: Any) -> pvsched.Scheduler:
        options.setdefault("registry", REGISTRY)
        scheduler = pvsched.Scheduler(**options)
        self.opened.append(scheduler)
        return scheduler

    def warm(self, **options: Any) -> pvsched.Scheduler:
        """Open one whose keeper and workers are up, so that a short timeout measures the task alone."""
        scheduler = self.open(**options)
        for _ in range(2):
            scheduler.add_task(pvsched.Task("about"))
        self.drain(scheduler)
        return scheduler

    def until(self, scheduler: pvsched.Scheduler, condition: Callable[[], object]) -> None:
        """Run until the condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it never came to pass"
            scheduler.run(wait=0.02)

    def one_turn_after(self, scheduler: pvsched.Scheduler, seconds: float) -> None:
        """Keep running until that much time has passed: what was due by then has been seen."""
        moment = time.monotonic() + seconds
        while time.monotonic() < moment:
            scheduler.run(wait=0.01)
        scheduler.run()

    def drain(self, scheduler: pvsched.Scheduler) -> None:
        """Run until nothing is pending."""
        deadline = time.monotonic() + PATIENCE
        while scheduler.pending:
            assert time.monotonic() < deadline, f"still pending: {scheduler.tasks()}"
            scheduler.run(wait=1.0)

    def one(self, scheduler: pvsched.Scheduler, name: str, data: Any = None, **options: Any) -> dict[str, Any]:
        """Run one task to its end and return its document."""
        documents: list[dict[str, Any]] = []
        scheduler.add_task(pvsched.Task(name, data, **options), documents.append)
        self.drain(scheduler)
        assert len(documents) == 1
        return documents[0]

    def one_of(self, scheduler: pvsched.Scheduler, name: str, data: Any = None, **options: Any) -> dict[str, Any]:
        """Run one task to its end while others go on; return its document."""
        documents: list[dict[str, Any]] = []
        scheduler.add_task(pvsched.Task(name, data, **options), documents.append)
        self.until(scheduler, lambda: documents)
        return documents[0]

    def file_appears(self, scheduler: pvsched.Scheduler, path: Any, size: int = 0) -> str:
        """Run until the file is there with at least that many bytes; return its text."""
        self.until(scheduler, lambda: os.path.exists(path) and os.path.getsize(path) >= size)
        with open(path) as file:
            return file.read()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    for scheduler in bench.opened:
        scheduler.close(timeout=0.0)


EXECUTORS = ("inline", "thread", "fork", "pool")
WORKER_EXECUTORS = ("fork", "pool")
