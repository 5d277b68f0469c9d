"""The tools that users get for their own tests."""

from __future__ import annotations

from typing import Any

import pytest

import pvsched
from pvsched.testing import FakeClock, SyncScheduler


def make(registry: pvsched.Registry, **options: Any) -> SyncScheduler:
    return SyncScheduler(registry=registry, **options)


def test_run_runs_everything_and_what_it_brings() -> None:
    """All waiting tasks, and those that callbacks add, have ended when run() returns."""
    registry = pvsched.Registry()
    registry.register("double", lambda data, context: data * 2)
    seen: list[Any] = []
    with make(registry) as scheduler:

        def again(document: dict[str, Any]) -> None:
            seen.append(document["data"])
            if document["data"] < 8:
                scheduler.add_task(pvsched.Task("double", document["data"]), again)

        scheduler.add_task(pvsched.Task("double", 1), again)
        scheduler.add_task(pvsched.Task("double", 100, priority=9), again)
        assert scheduler.run() == 4
    assert sorted(seen) == [2, 4, 8, 200]


def test_documents_are_those_of_a_real_scheduler() -> None:
    """Outcome, data, times and refusals look as they do with workers."""
    registry = pvsched.Registry()
    registry.register("half", lambda data, context: 1 / data)
    clock = FakeClock(50.0)
    with make(registry, clock=clock, workers=4) as scheduler:
        document = scheduler.run_task(pvsched.Task("half", 2, executor="pool"))
        assert (document["outcome"], document["data"], document["ended_at"]) == ("succeeded", 0.5, 50.0)
        assert scheduler.run_task(pvsched.Task("half", 0))["error"]["reason"] == "raised"
        with pytest.raises(pvsched.UnknownName):
            scheduler.add_task(pvsched.Task("nothing"))


def test_time_passes_only_when_told() -> None:
    """Queue timeouts and timeouts follow the fake clock alone."""
    registry = pvsched.Registry()
    clock = FakeClock()
    registry.register("slow", lambda data, context: clock.advance(data))
    documents: list[Any] = []
    with make(registry, clock=clock) as scheduler:
        scheduler.add_task(pvsched.Task("slow", 0, queue_timeout=5), documents.append)
        clock.advance(5)
        scheduler.run()
        scheduler.add_task(pvsched.Task("slow", 9, timeout=10), documents.append)
        scheduler.run()
        scheduler.add_task(pvsched.Task("slow", 11, timeout=10), documents.append)
        scheduler.run()
    assert [document["outcome"] for document in documents] == ["expired", "succeeded", "timed_out"]


def test_the_clock_does_not_go_back() -> None:
    """A negative step is an error of the test."""
    with pytest.raises(ValueError):
        FakeClock().advance(-1)
