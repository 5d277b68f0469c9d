"""What a caller gets wrong: an error of our own tree with a code, and a hint that says what to do next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pvsched
from tests.unit.scheduler.conftest import Bench

WRONG: dict[str, tuple[str, Callable[[pvsched.Scheduler], Any]]] = {
    "subscribe(0)": ("bad-setting", lambda scheduler: scheduler.subscribe(0)),
    "set_policy('loud')": ("bad-policy", lambda scheduler: scheduler.set_policy("loud")),  # type: ignore[arg-type]
    "set_policy([])": ("bad-policy", lambda scheduler: scheduler.set_policy([])),  # type: ignore[arg-type]
    "set_workers(-1)": ("bad-workers", lambda scheduler: scheduler.set_workers(-1)),
    "set_workers(1000)": ("bad-workers", lambda scheduler: scheduler.set_workers(1000)),
    "set_lane('')": ("bad-task", lambda scheduler: scheduler.set_lane("")),
    "set_lane(limit=0)": ("bad-lane", lambda scheduler: scheduler.set_lane("a", limit=0)),
    "set_lane(weight=0)": ("bad-lane", lambda scheduler: scheduler.set_lane("a", weight=0)),
    "explain('x')": ("no-task", lambda scheduler: scheduler.explain("x")),  # type: ignore[arg-type]
    "explain([])": ("no-task", lambda scheduler: scheduler.explain([])),  # type: ignore[arg-type]
    "callback=5": ("bad-task", lambda scheduler: scheduler.add_task(pvsched.Task("echo"), 5)),  # type: ignore[arg-type]
    "on('echo', 5)": ("bad-task", lambda scheduler: scheduler.on("echo", 5)),  # type: ignore[arg-type]
    "limits": ("bad-task", lambda scheduler: scheduler.add_task(pvsched.Task("echo", limits={"nise": 1}))),
}


@pytest.mark.parametrize(("code", "call"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_told_what_to_do(bench: Bench, code: str, call: Callable[[pvsched.Scheduler], Any]) -> None:
    """It raises within the tree, with code and hint, and the scheduler goes on."""
    scheduler = bench.open()
    with pytest.raises(pvsched.PvschedError) as caught:
        call(scheduler)
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)
    assert bench.one(scheduler, "echo", 1)["data"] == 1


@pytest.mark.parametrize("settings", [{"history": -1}, {"capacity": 0}, {"policy": "loud"}, {"workers": True}], ids=str)
def test_a_wrong_setting_is_told_what_to_do(settings: dict[str, Any]) -> None:
    """A scheduler that cannot be opened so says which setting, and where they are explained."""
    with pytest.raises(pvsched.BadSetting, match=next(iter(settings))) as caught:
        pvsched.Scheduler(**settings)
    assert caught.value.hint


def test_an_unknown_limit_is_named_with_those_that_exist(bench: Bench) -> None:
    """The message ends where it has said what is wrong."""
    with pytest.raises(pvsched.BadTask) as caught:
        bench.open().add_task(pvsched.Task("echo", limits={"nise": 1}))
    assert str(caught.value) == "echo: limits has 'nise'; it knows nice, ionice, memory, cpu, files"


def test_no_tasks_are_asked_for() -> None:
    """tasks(0) is none of them."""
    with pvsched.Scheduler(workers=0) as scheduler:
        scheduler.add_task(pvsched.Task("any", executor="exec", argv=["true"]))
        assert (scheduler.tasks(0), scheduler.tasks(-1), len(scheduler.tasks(1))) == ([], [], 1)
