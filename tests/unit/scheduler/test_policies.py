"""The order in which tasks start, seen through the public interface: the cases of the specification."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import pvsched
from tests.unit.scheduler.conftest import Bench

MEDIUM, LOW, HIGH = "medium", "low", "high"


class Picks:
    """Runs endless lanes one task at a time and notes which lane went."""

    def __init__(self, bench: Bench, *lanes: tuple[str, str], each: int = 1200, **options: Any) -> None:
        registry = pvsched.Registry()
        registry.register("note", lambda data, context: self.picked.append(data))
        self.picked: list[str] = []
        self.scheduler = bench.open(workers=0, registry=registry, capacity=8192, policy="fair", **options)
        for name, weight in lanes:
            self.scheduler.set_lane(name, weight=weight)
        for name, _ in lanes:
            self.fill(name, each)

    def fill(self, lane: str, count: int) -> None:
        for _ in range(count):
            self.scheduler.add_task(pvsched.Task("note", lane, lane=lane))

    def take(self, count: int) -> str:
        start = len(self.picked)
        while len(self.picked) < start + count:
            self.scheduler.run()
        return "".join(self.picked[start:])


def test_fair_equal_lanes_alternate(bench: Bench) -> None:
    """M1, M2: 1 2 1 2 1 2 ..."""
    assert Picks(bench, ("1", MEDIUM), ("2", MEDIUM)).take(20) == "12" * 10


def test_fair_low_medium_high(bench: Bench) -> None:
    """L, M, H: H x9, M, then (H x10, M) again and again; the first L is pick 109."""
    picked = Picks(bench, ("L", LOW), ("M", MEDIUM), ("H", HIGH)).take(109)
    assert picked[:10] == "H" * 9 + "M"
    assert picked[10:108] == ("HHHHHHHHHHM" * 9)[:98]
    assert picked.index("L") == 108


def test_fair_low_waits_its_turn_behind_two(bench: Bench) -> None:
    """L, M1, M2: M1 and M2 alternate 9 times each, L is pick 19."""
    assert Picks(bench, ("L", LOW), ("1", MEDIUM), ("2", MEDIUM)).take(19) == "12" * 9 + "L"


def test_fair_shares_are_exact(bench: Bench) -> None:
    """1,110 picks of H, M, L: 1000 / 100 / 10."""
    picked = Picks(bench, ("H", HIGH), ("M", MEDIUM), ("L", LOW)).take(1110)
    assert Counter(picked) == {"H": 1000, "M": 100, "L": 10}


def test_fair_a_late_lane_does_not_catch_up(bench: Bench) -> None:
    """M1 alone for 1,000 picks, then M2 joins: they alternate from there."""
    picks = Picks(bench, ("1", MEDIUM), each=1200)
    picks.take(1000)
    picks.fill("2", 100)
    assert picks.take(40) in ("12" * 20, "21" * 20)


@pytest.mark.parametrize(
    ("lanes", "begin"),
    [
        ((("1", MEDIUM), ("2", MEDIUM)), "1122221111222211"),
        ((("L", LOW), ("M", MEDIUM), ("H", HIGH)), "H" * 11 + "MM" + "H" * 20 + "MM" + "H"),
    ],
)
def test_zot_exact_is_zots_own_order(bench: Bench, lanes: Any, begin: str) -> None:
    """The binary heap with its old counts, pick for pick."""
    assert Picks(bench, *lanes, zot_exact=True).take(len(begin)) == begin


def test_zot_exact_first_picks_of_the_lesser(bench: Bench) -> None:
    """L, M, H under zot_exact: the first M is pick 12, the first L is pick 112."""
    picked = Picks(bench, ("L", LOW), ("M", MEDIUM), ("H", HIGH), zot_exact=True).take(112)
    assert (picked.index("M"), picked.index("L")) == (11, 111)


def order(bench: Bench, policy: str, tasks: list[dict[str, Any]], **options: Any) -> list[Any]:
    """Submit the tasks, numbered from 0, and return the numbers in the order in which they ran."""
    scheduler = bench.open(workers=0, policy=policy, **options)
    ran: list[Any] = []
    for number, task in enumerate(tasks):
        scheduler.add_task(pvsched.Task("echo", number, **task), lambda document: ran.append(document["data"]))
    bench.drain(scheduler)
    return ran


def test_fifo_is_by_submission(bench: Bench) -> None:
    """Whatever the priority and the lane."""
    tasks = [{"priority": 9 - n % 10, "lane": f"lane{n % 3}"} for n in range(20)]
    assert order(bench, "fifo", tasks) == list(range(20))


def test_strict_is_by_priority_then_submission(bench: Bench) -> None:
    """Lower numbers first, over all lanes."""
    tasks = [{"priority": n * 7 % 10, "lane": f"lane{n % 3}"} for n in range(30)]
    expected = sorted(range(30), key=lambda n: (n * 7 % 10, n))
    assert order(bench, "strict", tasks) == expected


def test_edf_is_by_queue_deadline(bench: Bench) -> None:
    """Earliest deadline first, whatever the priority; those without one afterwards, by submission."""
    tasks: list[dict[str, Any]] = [
        {},
        {"queue_timeout": 300, "priority": 0},
        {"queue_timeout": 100, "priority": 9},
        {"priority": 0},
        {"queue_timeout": 200, "lane": "other"},
    ]
    assert order(bench, "edf", tasks) == [2, 4, 1, 0, 3]


def test_the_policy_changes_while_tasks_wait(bench: Bench) -> None:
    """None is lost, none runs twice, and each policy orders what is left."""
    scheduler = bench.open(workers=0, policy="fifo")
    ran: list[int] = []
    for number in range(40):
        task = pvsched.Task("echo", number, priority=9 - number % 10, lane=f"l{number % 4}")
        scheduler.add_task(task, lambda document: ran.append(document["data"]))
    for policy in ("strict", "edf", "fair", "fifo", "strict"):
        for _ in range(4):
            scheduler.run()
        scheduler.set_policy(policy)  # type: ignore[arg-type]
    bench.drain(scheduler)
    assert sorted(ran) == list(range(40))


def test_a_lane_limit_holds(bench: Bench, tmp_path: Any) -> None:
    """Of a lane with limit 1 one task runs, and others pass it."""
    scheduler, done = bench.open(workers=2), []
    scheduler.set_lane("one", limit=1)
    first = scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x"), lane="one"))
    second = scheduler.add_task(pvsched.Task("echo", lane="one"), done.append)
    other = bench.one_of(scheduler, "echo", lane="free")
    assert other["outcome"] == "succeeded"
    assert scheduler.explain(second)["reasons"][0]["reason"] == "lane-limit"
    bench.file_appears(scheduler, tmp_path / "x")
    scheduler.set_lane("one", limit=2)
    bench.until(scheduler, lambda: done)
    scheduler.cancel(first)
    bench.drain(scheduler)


def test_more_workers_start_more_in_the_same_run(bench: Bench, tmp_path: Any) -> None:
    """Raising the number starts what waits; lowering it kills nothing."""
    scheduler = bench.open(workers=1)
    ids = [scheduler.add_task(pvsched.Task("polite", str(tmp_path / f"{n}"))) for n in range(3)]
    bench.file_appears(scheduler, tmp_path / "0")
    scheduler.set_workers(3)
    scheduler.run()
    assert [scheduler.explain(id)["state"] != "queued" for id in ids] == [True] * 3
    bench.file_appears(scheduler, tmp_path / "2")
    scheduler.set_workers(1)
    scheduler.run()
    assert scheduler.stats()["running"] == 3
    for id in ids:
        scheduler.cancel(id)
    bench.drain(scheduler)


@pytest.mark.parametrize("name", ["echo", "local"])
def test_workers_come_and_go(bench: Bench, name: str) -> None:
    """Tasks taken with workers=0 run in workers when there are some, and the other way round."""
    registry = pvsched.Registry()
    registry.register("echo", "tests.unit.scheduler.handlers:about")
    registry.register("local", lambda data, context: data)
    scheduler, documents = bench.open(workers=0, max_workers=2, registry=registry), []
    scheduler.add_task(pvsched.Task(name), documents.append)
    scheduler.set_workers(2)
    bench.drain(scheduler)
    assert documents[0]["worker"] is not None
    scheduler.add_task(pvsched.Task(name), documents.append)
    scheduler.set_workers(0)
    bench.drain(scheduler)
    assert (documents[1]["outcome"], documents[1]["worker"]) == ("succeeded", None)
