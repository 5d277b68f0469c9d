"""Events, explain(), tasks(), stats(), history: what a watcher sees."""

from __future__ import annotations

from typing import Any

import pytest

import pvsched
from pvsched.scheduler.events import TYPES, Event
from tests.unit.scheduler.conftest import Bench


def types(subscription: pvsched.Subscription) -> list[str]:
    return [event.type for event in subscription.read()]


@pytest.mark.parametrize("executor", ["inline", "thread", "fork", "pool"])
def test_a_task_is_seen_from_its_submission_to_its_end(bench: Bench, executor: Any) -> None:
    """submitted, started, progress, log, ended, in that order and numbered without a gap."""
    scheduler = bench.open(executor=executor)
    with scheduler.subscribe() as subscription:
        document = bench.one(scheduler, "tell")
        events = subscription.read()
    assert [event.type for event in events] == ["submitted", "started", "progress", "log", "progress", "ended"]
    assert [event.seq for event in events] == list(range(1, 7))
    assert {event.id for event in events} == {document["id"]}
    assert events[2].data == {"fraction": 0.5, "message": "half"}
    assert events[3].data == {"level": "info", "text": "a line"}
    assert events[5].data["outcome"] == "succeeded"
    assert "data" not in events[5].data


def test_what_was_sent_ahead_starts_before_it_tells(bench: Bench) -> None:
    """With a backlog a worker goes from task to task by itself: the events of each are in order all the same."""
    scheduler = bench.open(workers=1, executor="pool")
    told: dict[Any, list[str]] = {}
    with scheduler.subscribe(4096) as subscription:
        for _ in range(300):
            scheduler.add_task(pvsched.Task("tell"))
        while scheduler.pending:
            scheduler.run(wait=1.0)
        for event in subscription.read():
            told.setdefault(event.id, []).append(event.type)
    assert set(map(tuple, told.values())) == {("submitted", "started", "progress", "log", "progress", "ended")}


def test_every_change_is_an_event(bench: Bench) -> None:
    """Refusals, policies, workers; all of known types."""
    scheduler = bench.open(workers=0)
    subscription = scheduler.subscribe()
    with pytest.raises(pvsched.UnknownName):
        scheduler.add_task(pvsched.Task("nothing"))
    scheduler.set_policy("fair")
    scheduler.set_workers(1)
    events = subscription.read()
    assert [(event.type, event.data) for event in events] == [
        ("refused", {"type": "nothing", "code": "unknown-name"}),
        ("policy-changed", {"policy": "fair"}),
        ("workers-changed", {"workers": 1}),
    ]
    assert {event.type for event in events} <= TYPES


def test_a_worker_that_dies_idle_is_told(bench: Bench) -> None:
    """The pid and the signal of a pool worker that somebody kills between tasks."""
    import os

    scheduler = bench.open(workers=1)
    subscription = scheduler.subscribe()
    pid = bench.one(scheduler, "about")["worker"]
    os.kill(pid, 9)
    seen: list[Event] = []
    bench.until(scheduler, lambda: seen.extend(e for e in subscription.read() if e.type == "worker-died") or seen)
    assert seen[0].data == {"worker": pid, "exit": {"signal": 9}}


def test_a_slow_reader_is_told_what_it_missed(bench: Bench) -> None:
    """The newest events stay, the number of lost ones is told once, others miss nothing."""
    scheduler = bench.open(workers=0)
    slow, quick = scheduler.subscribe(buffer=3), scheduler.subscribe()
    for n in range(10):
        scheduler.set_workers(0 if n % 2 else 1)
    assert [event.seq for event in slow.read()] == [8, 9, 10]
    assert slow.missed == 7
    assert slow.read() == []
    assert slow.missed == 0
    assert len(quick.read(4)) == 4
    assert len(quick.read()) == 6
    assert quick.missed == 0
    assert scheduler.stats()["events_missed"] == 7


def test_a_closed_subscription_gets_nothing(bench: Bench) -> None:
    """close() ends it, again is harmless, and without watchers nothing is numbered."""
    scheduler = bench.open(workers=0)
    subscription = scheduler.subscribe()
    subscription.close()
    subscription.close()
    scheduler.set_policy("fifo")
    assert subscription.read() == []
    with pytest.raises(ValueError):
        scheduler.subscribe(buffer=0)


def test_an_event_is_a_value() -> None:
    """It prints, compares and turns into a dict."""
    event = Event(1, 2.0, "ended", 3, {"a": 1})
    assert event == Event(1, 2.0, "ended", 3, {"a": 1})
    assert event != Event(2, 2.0, "ended", 3, {"a": 1})
    assert event.as_dict() == {"seq": 1, "time": 2.0, "type": "ended", "id": 3, "data": {"a": 1}}
    assert "ended" in repr(event)


def test_explain_names_what_keeps_a_task(bench: Bench, tmp_path: Any) -> None:
    """No worker, those ahead, the key that is shared; and that an ended task is none."""
    scheduler = bench.open(workers=1)
    first = scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x"), key="k"))
    bench.file_appears(scheduler, tmp_path / "x")
    scheduler.add_task(pvsched.Task("echo"))
    waiting = scheduler.add_task(pvsched.Task("echo"))
    urgent = scheduler.add_task(pvsched.Task("echo", priority=0))
    sharer = scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="coalesce"))
    explained = scheduler.explain(waiting)
    assert [reason["reason"] for reason in explained["reasons"]] == ["no-worker", "ahead"]
    assert explained["ahead"] == 2
    assert explained["text"] == "every worker's place is taken; 2 tasks go before it"
    assert scheduler.explain(urgent)["ahead"] == 0
    assert scheduler.explain(sharer)["reasons"][0]["reason"] == "shared"
    running = scheduler.explain(first)
    assert (running["state"], running["reasons"], running["text"]) == ("running", [], "it is running")
    assert running["worker"] is not None
    for id in (first, sharer):
        scheduler.cancel(id)
    bench.drain(scheduler)
    with pytest.raises(LookupError) as none:
        scheduler.explain(first)
    assert none.value.code == "no-task"  # type: ignore[attr-defined]
    for never in (0, -1, 1 << 64, "1", None):
        with pytest.raises(LookupError):
            scheduler.explain(never)  # type: ignore[arg-type]


def test_tasks_lists_the_running_first(bench: Bench, tmp_path: Any) -> None:
    """Then those that wait, by submission, at most as many as asked for."""
    scheduler = bench.open(workers=1)
    waiting = [scheduler.add_task(pvsched.Task("echo", priority=9)) for _ in range(2)]
    running = scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x"), priority=0))
    bench.file_appears(scheduler, tmp_path / "x")
    assert [task["id"] for task in scheduler.tasks()] == [running, *waiting]
    assert len(scheduler.tasks(limit=2)) == 2
    assert {task["state"] for task in scheduler.tasks()} == {"running", "queued"}
    assert [task["id"] for task in scheduler.tasks(limit=1)] == [running]
    assert scheduler.tasks(limit=0) == []
    scheduler.cancel(running)
    bench.drain(scheduler)
    assert scheduler.tasks() == []


@pytest.mark.parametrize("executor", ["thread", "pool"])
def test_who_shares_work_that_runs_is_listed_with_it(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """Though it was submitted after many that wait."""
    scheduler = bench.open(workers=1, executor=executor)
    holder = scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x"), key="k", priority=0))
    bench.file_appears(scheduler, tmp_path / "x")
    waiting = scheduler.add_task(pvsched.Task("echo"))
    sharer = scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="coalesce"))
    assert [task["id"] for task in scheduler.tasks()] == [holder, sharer, waiting]
    for id in (holder, sharer):
        scheduler.cancel(id)
    bench.drain(scheduler)


def test_an_inline_task_finds_itself_running(bench: Bench) -> None:
    """Before those that were submitted before it and wait."""
    registry = pvsched.Registry()
    seen: list[Any] = []
    registry.register("wait", lambda data, context: None)
    registry.register("look", lambda data, context: seen.extend(scheduler.tasks()))
    scheduler = bench.open(workers=0, registry=registry)
    scheduler.add_task(pvsched.Task("wait", priority=9))
    scheduler.add_task(pvsched.Task("look", priority=0))
    bench.drain(scheduler)
    assert [(task["type"], task["state"]) for task in seen] == [("look", "running"), ("wait", "queued")]


def test_stats_count(bench: Bench) -> None:
    """By outcome, by lane and priority, with times in seconds."""
    scheduler = bench.open(workers=0)
    scheduler.set_lane("a", limit=2, weight="high")
    for priority in (1, 1, 7):
        scheduler.add_task(pvsched.Task("raise", "x", lane="a", priority=priority))
    before = scheduler.stats()
    assert before["lanes"]["a"] == {
        "waiting": [0, 2, 0, 0, 0, 0, 0, 1, 0, 0],
        "running": 0,
        "limit": 2,
        "weight": 100.0,
    }
    assert before["waiting"] == 3
    assert before["oldest_queued_at"] > 0
    bench.drain(scheduler)
    after = scheduler.stats()
    assert after["outcomes"] == {"succeeded": 0, "failed": 3, "timed_out": 0, "expired": 0, "cancelled": 0}
    assert (after["submitted"], after["ended"], after["waiting"]) == (3, 3, 0)
    assert after["run_seconds"] > 0


def test_history_keeps_the_last_documents(bench: Bench) -> None:
    """As many as asked for, oldest first; none by default."""
    scheduler = bench.open(workers=0, history=2)
    for n in range(3):
        bench.one(scheduler, "echo", n)
    assert [document["data"] for document in scheduler.history] == [1, 2]
    other = bench.open(workers=0)
    bench.one(other, "echo")
    assert list(other.history) == []
