"""/tasks: what runs, what waits and why, what ended; never raw data."""

from __future__ import annotations

from typing import Any

import pytest

from pvsched.control.endpoints.tasks import LIVE_SHOWN, TaskEndpoints, TaskHistory, kept, task_number
from pvsched.scheduler.events import Event
from tests.unit.control.endpoint_doubles import CALLER, FakeReply, FakeRouter, FakeScheduler, request

Made = tuple[FakeScheduler, TaskEndpoints]


@pytest.fixture
def made() -> Made:
    """Task 1 runs, tasks 2 and 3 wait, task 9 has ended."""
    scheduler = FakeScheduler()
    scheduler.live = [
        {"id": 1, "type": "a", "state": "running", "queued_at": 1.0, "started_at": 2.0},
        {"id": 2, "type": "a", "state": "queued", "queued_at": 1.5, "started_at": None},
        {"id": 3, "type": "b", "state": "queued", "queued_at": 1.7, "started_at": None},
    ]
    scheduler.history.append({"id": 9, "type": "a", "outcome": "failed", "data": {"api_token": "hush"}})
    history = TaskHistory(scheduler)  # type: ignore[arg-type]
    history.take()
    return scheduler, TaskEndpoints(scheduler, history)  # type: ignore[arg-type]


def asked(handler: Any, *params: str) -> FakeReply:
    reply = FakeReply()
    handler(request(), reply, params, CALLER)
    return reply


def test_the_list_has_three_parts(made: Made) -> None:
    """Those that wait come with the reason; nothing secret in any."""
    reply = asked(made[1].listing)
    document = reply.document
    assert [task["id"] for task in document["running"]] == [1]
    assert [(task["id"], task["reason"]) for task in document["waiting"]] == [
        (2, "every worker is taken"),
        (3, "every worker is taken"),
    ]
    assert document["ended"][0]["data"] == {"api_token": "********"}
    assert document["pending"] == 3


def test_a_long_queue_is_shown_in_part(made: Made) -> None:
    """A million waiting tasks must not make a long answer in the main loop; their number is told."""
    made[0].live = [{"id": n, "state": "queued"} for n in range(1, LIVE_SHOWN + 11)]
    document = asked(made[1].listing).document
    assert len(document["waiting"]) == LIVE_SHOWN
    assert document["pending"] == LIVE_SHOWN + 10


@pytest.mark.parametrize(("number", "key", "value"), [(1, "state", "running"), (2, "reason", "every worker is taken")])
def test_one_task_that_lives(made: Made, number: int, key: str, value: str) -> None:
    """Its document, with the reason if it waits."""
    reply = asked(made[1].one, str(number))
    assert reply.status == 200
    assert reply.document[key] == value


def test_one_task_that_has_ended(made: Made) -> None:
    """It is found among the last that ended, and masked."""
    reply = asked(made[1].one, "9")
    assert reply.document["outcome"] == "failed"
    assert b"hush" not in reply.body


@pytest.mark.parametrize("text", ["77", "0", "-1", "x", "1" * 30, "٣", "1.0"])
@pytest.mark.parametrize("verb", ["one", "cancel"])
def test_a_task_that_is_not_there(made: Made, verb: str, text: str) -> None:
    """404 with an error of ours, whatever stands in the path."""
    reply = asked(getattr(made[1], verb), text)
    assert reply.status == 404
    assert reply.document["code"] == "unknown-task"
    assert made[0].cancelled == []


def test_cancel(made: Made) -> None:
    """202: its end comes later, as an event; 409 if it is over."""
    assert asked(made[1].cancel, "2").status == 202
    assert made[0].cancelled == [2]
    reply = asked(made[1].cancel, "9")
    assert (reply.status, reply.document["code"]) == (409, "task-ended")


def test_numbers_of_tasks() -> None:
    """Digits of 63 bits; all else is nobody's number."""
    assert task_number("12") == 12
    assert task_number("") == 0
    assert task_number(" 1") == 0


def test_routes_need_privilege(made: Made) -> None:
    """No route opens itself to containers without the role."""
    router = FakeRouter()
    made[1].add_to(router)  # type: ignore[arg-type]
    assert set(router.routes) == {("GET", "/tasks"), ("GET", "/tasks/{}"), ("DELETE", "/tasks/{}")}
    assert all(options.get("privileged", True) for options in router.routes.values())


def test_a_large_result_is_not_kept(made: Made) -> None:
    """One listing of a large store must not stay in memory; small results are kept as they are."""
    scheduler = made[0]
    scheduler.history.append({"id": 10, "data": {"objects": [["a", 1]] * 10_000}})
    history = TaskHistory(scheduler)  # type: ignore[arg-type]
    history.take()
    found = history.find(10)
    assert found is not None
    assert len(found.body) < 4_000
    assert kept({"sha256": "a" * 64, "size": 1}) == {"sha256": "a" * 64, "size": 1}
    assert kept("x" * 600) != "x" * 600
    assert kept(None) is None


def test_the_history_is_bounded(made: Made) -> None:
    """The oldest go first."""
    history = TaskHistory(made[0], 4)  # type: ignore[arg-type]
    for number in range(10):
        made[0].history.append({"id": number, "data": None})
    history.take()
    assert [task.document["id"] for task in history.ended] == [6, 7, 8, 9]


def test_what_runs_is_shown_behind_any_queue(made: Made) -> None:
    """An urgent task that came last and runs is not hidden by those that wait before it."""
    scheduler = made[0]
    scheduler.live = [{"id": n, "state": "queued"} for n in range(1, LIVE_SHOWN + 50)]
    scheduler.live.append({"id": 999, "state": "running"})
    history = TaskHistory(scheduler)  # type: ignore[arg-type]
    history.listen(Event(1, 0.0, "started", 999, {}))
    endpoints = TaskEndpoints(scheduler, history)  # type: ignore[arg-type]
    assert [task["id"] for task in asked(endpoints.listing).document["running"]] == [999]
    history.listen(Event(2, 0.0, "ended", 999, {}))
    assert asked(endpoints.listing).document["running"] == []


def test_tracebacks_are_for_those_who_ask_about_one_task(made: Made) -> None:
    """The list stays small; the one task has everything, masked."""
    scheduler = made[0]
    error = {"reason": "raised", "message": "no", "detail": "Traceback: token=hush"}
    scheduler.history.append({"id": 10, "data": None, "error": error, "output": {"stdout": "long"}})
    history = TaskHistory(scheduler)  # type: ignore[arg-type]
    history.take()
    endpoints = TaskEndpoints(scheduler, history)  # type: ignore[arg-type]
    (listed,) = asked(endpoints.listing).document["ended"]
    assert listed == {"id": 10, "data": None, "error": {"reason": "raised", "message": "no"}}
    one = asked(endpoints.one, "10").document
    assert one["output"] == {"stdout": "long"}
    assert one["error"]["detail"] == "Traceback: token=********"
