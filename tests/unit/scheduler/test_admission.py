"""What add_task refuses, and with which words."""

from __future__ import annotations

import os
from typing import Any

import pytest

import pvsched
from pvsched.scheduler.rules import DEFAULTS, rules_key
from pvsched.scheduler.task import OPTIONS, PER_TASK
from tests.unit.scheduler.conftest import Bench
from tests.unit.scheduler.handlers import REGISTRY

BAD = [
    {"priority": 10},
    {"priority": -1},
    {"priority": 1.0},
    {"priority": True},
    {"priority": "1"},
    {"timeout": 0},
    {"timeout": -1},
    {"timeout": float("nan")},
    {"timeout": float("inf")},
    {"timeout": "5"},
    {"timeout": True},
    {"queue_timeout": 0},
    {"on_timeout": "maybe"},
    {"grace": -1},
    {"grace": None},
    {"lane": ""},
    {"lane": 3},
    {"lane": ["x"]},
    {"key": ""},
    {"key": 3},
    {"on_duplicate": "ignore"},
    {"executor": "gpu"},
    {"executor": "exec"},
    {"argv": ["true"], "executor": "pool"},
    {"argv": "true", "executor": "exec"},
    {"argv": [""], "executor": "exec"},
    {"argv": ["a\0b"], "executor": "exec"},
    {"argv": ["true"], "executor": "exec", "env": {"a=b": "c"}},
    {"argv": ["true"], "executor": "exec", "env": [1]},
    {"argv": ["true"], "executor": "exec", "cwd": 3},
    {"result_limit": 0},
    {"result_limit": 1.5},
    {"output_limit": -1},
    {"survive": 1},
    {"fds": [0]},
    {"fds": {"a b": 0}},
    {"fds": {"a": "0"}},
    {"fds": {"a": -1}},
    {"fds": {"a": 999_999}},
    {"fds": {f"f{n}": 0 for n in range(17)}},
    {"limits": {"nice": 20}},
    {"limits": {"memory": -1}},
    {"limits": {"cpu": 0}},
    {"limits": {"files": 1.5}},
    {"limits": {"ionice": 8}},
    {"limits": {"ionice": "quick"}},
    {"limits": {"colour": 1}},
    {"limits": 5},
    {"limits": {"nice": 1}, "executor": "inline"},
    {"limits": {"nice": 1}, "executor": "thread"},
]


@pytest.mark.parametrize("options", BAD, ids=str)
def test_values_that_cannot_be_are_refused(bench: Bench, options: dict[str, Any]) -> None:
    """Each option out of its range is BadTask, code `bad-task`, and nothing was taken."""
    scheduler = bench.open(workers=1)
    with pytest.raises(pvsched.BadTask) as refused:
        scheduler.add_task(pvsched.Task("echo", **options))
    assert refused.value.code == "bad-task"
    assert scheduler.pending == 0


@pytest.mark.parametrize("options", [{"priority": 1.0}, {"priority": True}, {"survive": 1}], ids=str)
def test_an_equal_value_of_another_type_is_refused_after_the_right_one(bench: Bench, options: Any) -> None:
    """1, 1.0 and True are equal to a dict, not to us."""
    scheduler = bench.open(workers=0)
    scheduler.add_task(pvsched.Task("echo", priority=1, survive=True))
    with pytest.raises(pvsched.BadTask):
        scheduler.add_task(pvsched.Task("echo", **{"priority": 1, "survive": True, **options}))


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 129, None, 3, ["echo"], "a\n"])
def test_names_that_are_none_are_refused(bench: Bench, name: Any) -> None:
    """1-128 of A-Z a-z 0-9 _ . : - and nothing else."""
    with pytest.raises(pvsched.BadTask):
        bench.open(workers=0).add_task(pvsched.Task(name))


@pytest.mark.parametrize("data", [{1, 2}, float("nan"), object(), {"a": b"x"}, {(1, 2): 3}])
def test_data_that_json_cannot_say_is_refused(bench: Bench, data: Any) -> None:
    """It is told at add_task, to the caller who has the value."""
    with pytest.raises(pvsched.BadTask, match="JSON"):
        bench.open(workers=0).add_task(pvsched.Task("echo", data))


def test_data_that_contains_itself_is_refused(bench: Bench) -> None:
    """A circular value is no crash and no endless loop."""
    data: list[Any] = []
    data.append(data)
    with pytest.raises(pvsched.BadTask):
        bench.open(workers=0).add_task(pvsched.Task("echo", data))


def test_an_unknown_name_suggests_the_nearest(bench: Bench) -> None:
    """UnknownName says what was meant."""
    with pytest.raises(pvsched.UnknownName, match="'echo'") as refused:
        bench.open(workers=0).add_task(pvsched.Task("eco"))
    assert refused.value.code == "unknown-name"


def test_an_unknown_option_is_a_type_error() -> None:
    """A misspelt option is found where it is written."""
    with pytest.raises(TypeError, match="priorty"):
        pvsched.Task("echo", priorty=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="priorty"):
        REGISTRY.register("x", "a:b", priorty=3)  # type: ignore[call-arg]


def test_a_full_queue_says_how_many_wait(bench: Bench) -> None:
    """QueueFull carries the number, and the accepted ones still run."""
    scheduler = bench.open(workers=0, capacity=3)
    for _ in range(3):
        scheduler.add_task(pvsched.Task("echo"))
    with pytest.raises(pvsched.QueueFull) as refused:
        scheduler.add_task(pvsched.Task("echo"))
    assert (refused.value.waiting, refused.value.code) == (3, "queue-full")
    bench.drain(scheduler)


def test_the_room_for_payloads_is_bounded_too(bench: Bench) -> None:
    """What fits now is taken, what will fit later is QueueFull, what never fits is BadTask."""
    scheduler = bench.open(workers=0, payload_bytes=100_000)
    scheduler.add_task(pvsched.Task("echo", "x" * 70_000))
    with pytest.raises(pvsched.QueueFull):
        scheduler.add_task(pvsched.Task("echo", "x" * 70_000))
    with pytest.raises(pvsched.BadTask):
        scheduler.add_task(pvsched.Task("echo", "x" * 200_000))
    bench.drain(scheduler)


def test_lanes_are_bounded(bench: Bench) -> None:
    """One lane more than the scheduler was opened with is refused."""
    scheduler = bench.open(workers=0, lanes=2)
    for lane in ("a", "b"):
        scheduler.add_task(pvsched.Task("echo", lane=lane))
    with pytest.raises(pvsched.BadTask, match="lane 'c'"):
        scheduler.add_task(pvsched.Task("echo", lane="c"))


def test_use_after_close_is_refused(bench: Bench) -> None:
    """Every call but close() raises Closed."""
    scheduler = bench.open(workers=0)
    scheduler.close()
    scheduler.close()
    for call in (
        lambda: scheduler.add_task(pvsched.Task("echo")),
        lambda: scheduler.run(),
        lambda: scheduler.fileno(),
        lambda: scheduler.cancel(1),
        lambda: scheduler.stats(),
        lambda: scheduler.subscribe(),
        lambda: scheduler.set_workers(1),
        lambda: scheduler.explain(1),
        lambda: scheduler.tasks(),
    ):
        with pytest.raises(pvsched.Closed):
            call()
    assert scheduler.pending == 0


@pytest.mark.parametrize(
    "options",
    [
        {"workers": -1},
        {"workers": 5000},
        {"workers": 4, "max_workers": 2},
        {"executor": "exec"},
        {"executor": "gpu"},
        {"policy": "random"},
        {"capacity": 0},
        {"lanes": 0},
        {"batch": 33},
        {"spares": True},
    ],
    ids=str,
)
def test_impossible_settings_are_refused_and_leave_nothing(options: Any) -> None:
    """Opening fails as a whole, as a setting that cannot be; the leak check sees to the rest."""
    with pytest.raises(pvsched.BadSetting) as refused:
        pvsched.Scheduler(**options)
    assert refused.value.hint


def test_settings_that_change_are_checked(bench: Bench) -> None:
    """Policy, workers and lanes are refused out of their range, and stay as they were."""
    scheduler = bench.open(workers=0, max_workers=2)
    for call in (
        lambda: scheduler.set_policy("random"),  # type: ignore[arg-type]
        lambda: scheduler.set_workers(3),
        lambda: scheduler.set_workers(-1),
        lambda: scheduler.set_workers(True),
        lambda: scheduler.set_lane("a", limit=0),
        lambda: scheduler.set_lane("a", weight="heavy"),
        lambda: scheduler.set_lane("a", weight=0),
        lambda: scheduler.cancel(1, by="nobody"),
    ):
        with pytest.raises(pvsched.SchedulerError):
            call()
    assert scheduler.stats()["workers"] == 0
    with pytest.raises(pvsched.BadSetting, match="at most max_workers, which 3 is not") as refused:
        scheduler.set_workers(3)
    assert refused.value.code == "bad-workers"


def test_every_refusal_is_of_one_tree() -> None:
    """All errors have a code and a hint, and one root."""
    for name in ("QueueFull", "BadTask", "DuplicateKey", "UnknownName", "Closed"):
        error = getattr(pvsched, name)("why")
        assert isinstance(error, pvsched.PvschedError)
        assert error.code
        assert error.hint


def test_options_defaults_and_rules_know_the_same_names() -> None:
    """The table of options is one table."""
    assert set(DEFAULTS) == OPTIONS
    assert PER_TASK < OPTIONS
    assert rules_key("a", {"priority": 1}) != rules_key("a", {"priority": 1.0})
    assert rules_key("a", {"key": "x"}) == rules_key("a", {"key": "y"})
    assert rules_key("a", {"limits": {"nice": 1}}) != rules_key("a", {"limits": {"nice": 2}})


def test_registered_defaults_apply_and_tasks_override_them(bench: Bench) -> None:
    """A name's lane and priority are its tasks', unless they say otherwise."""
    registry = pvsched.Registry()
    registry.register("echo", "tests.unit.scheduler.handlers:echo", lane="slow", priority=7)
    scheduler = bench.open(workers=0, registry=registry)
    first = scheduler.add_task(pvsched.Task("echo"))
    second = scheduler.add_task(pvsched.Task("echo", priority=1))
    described = [scheduler.explain(id) for id in (first, second)]
    assert [(one["lane"], one["priority"]) for one in described] == [("slow", 7), ("slow", 1)]


def test_bad_registrations_are_refused() -> None:
    """A registry checks names, references and handlers."""
    registry = pvsched.Registry()
    for name, handler in (("a b", "m:f"), ("a", "no colon"), ("a", 3), ("a", None)):
        with pytest.raises(pvsched.BadTask):
            registry.register(name, handler)  # type: ignore[arg-type]


def test_the_payload_is_read_at_add_task(bench: Bench) -> None:
    """Changing the data afterwards changes nothing, inline too."""
    scheduler, documents = bench.open(workers=0), []
    data = {"a": 1, "b": 1}
    scheduler.add_task(pvsched.Task("add", data), documents.append)
    data["b"] = 100
    bench.drain(scheduler)
    assert documents[0]["data"] == {"sum": 2}


assert os.name == "posix"
