"""The main loop's side: callbacks, run(), close(), hosts with habits of their own."""

from __future__ import annotations

import select
import threading
from typing import Any

import pytest

import pvsched
from tests.unit.scheduler.conftest import EXECUTORS, Bench


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_task_is_called_back_exactly_once(bench: Bench, executor: Any) -> None:
    """A few hundred tasks, each with its own answer, none lost and none twice."""
    count = 60 if executor == "fork" else 600
    scheduler, seen = bench.open(executor=executor), []
    ids = [
        scheduler.add_task(pvsched.Task("echo", n), lambda d: seen.append((d["id"], d["data"]))) for n in range(count)
    ]
    bench.drain(scheduler)
    assert sorted(seen) == list(zip(ids, range(count)))
    assert scheduler.stats()["outcomes"]["succeeded"] == count


def test_run_does_not_block(bench: Bench) -> None:
    """While a task runs for long, run() returns at once and says that nothing has ended."""
    scheduler = bench.warm()
    scheduler.add_task(pvsched.Task("sleep", 60))
    for _ in range(100):
        assert scheduler.run() == 0


def test_the_descriptor_is_readable_when_there_is_something_to_do(bench: Bench) -> None:
    """After add_task, and when a result is there; idle it is not."""
    scheduler = bench.warm()
    scheduler.run()
    fd = scheduler.fileno()
    assert select.select([fd], [], [], 0)[0] == []
    done: list[Any] = []
    scheduler.add_task(pvsched.Task("echo"), done.append)
    while not done:
        assert select.select([fd], [], [], 30)[0] == [fd]
        scheduler.run()
    scheduler.run()
    assert select.select([fd], [], [], 0)[0] == []


def test_callbacks_come_in_the_thread_that_runs(bench: Bench) -> None:
    """Also for tasks that ran in a thread."""
    scheduler, threads = bench.open(executor="thread"), []
    scheduler.add_task(pvsched.Task("echo"), lambda document: threads.append(threading.get_ident()))
    bench.drain(scheduler)
    assert threads == [threading.get_ident()]


def test_a_callback_that_raises_disturbs_no_other(bench: Bench, capsys: Any) -> None:
    """It is printed if nobody watches, an event if somebody does; the others are called."""
    scheduler, seen = bench.open(workers=0, inline_budget=10), []

    def bad(document: dict[str, Any]) -> None:
        raise ValueError("callback's own")

    for watched in (False, True):
        subscription = scheduler.subscribe() if watched else None
        scheduler.add_task(pvsched.Task("echo"), bad)
        scheduler.add_task(pvsched.Task("echo"), seen.append)
        bench.drain(scheduler)
        printed = capsys.readouterr().err
        if subscription is None:
            assert "ValueError: callback's own" in printed
        else:
            failed = [event for event in subscription.read() if event.type == "callback-failed"]
            assert [event.data["error"] for event in failed] == ["ValueError: callback's own"]
            assert printed == ""
    assert len(seen) == 2


def test_a_keyboard_interrupt_in_a_callback_loses_nothing(bench: Bench) -> None:
    """It goes to the caller; what was collected is delivered by the next run()."""
    scheduler, seen = bench.open(workers=0, inline_budget=10), []

    def interrupted(document: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    scheduler.add_task(pvsched.Task("echo", 0), interrupted)
    for number in (1, 2):
        scheduler.add_task(pvsched.Task("echo", number), lambda document: seen.append(document["data"]))
    scheduler.run()
    with pytest.raises(KeyboardInterrupt):
        scheduler.run()
    assert scheduler.pending == 2
    bench.drain(scheduler)
    assert seen == [1, 2]


def test_callbacks_may_add_cancel_and_not_run(bench: Bench) -> None:
    """A callback has the whole interface but run()."""
    scheduler, seen = bench.open(workers=0), []

    def callback(document: dict[str, Any]) -> None:
        id = scheduler.add_task(pvsched.Task("echo", "withdrawn"), lambda d: seen.append(d["outcome"]))
        scheduler.cancel(id)
        with pytest.raises(pvsched.SchedulerError, match="callback"):
            scheduler.run()
        seen.append("called")

    scheduler.add_task(pvsched.Task("echo"), callback)
    bench.drain(scheduler)
    assert seen == ["called", "cancelled"]


def test_a_type_may_have_a_callback(bench: Bench) -> None:
    """on() serves tasks without their own; a task's own wins; None removes it."""
    scheduler, typed, own = bench.open(workers=0), [], []
    scheduler.on("echo", typed.append)
    scheduler.add_task(pvsched.Task("echo"))
    scheduler.add_task(pvsched.Task("echo"), own.append)
    bench.drain(scheduler)
    scheduler.on("echo", None)
    scheduler.add_task(pvsched.Task("echo"))
    bench.drain(scheduler)
    assert (len(typed), len(own)) == (1, 1)
