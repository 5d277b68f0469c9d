"""Contests: processes of their own, turns, those that are not installed, those that break."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pvsched.bench.contest import Contest, contest, single

HOME = "contestants"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contestants of the tests are found by name, beside the package."""
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parents[2])]))


def test_the_first_round_does_not_count() -> None:
    """Three rounds asked, four run, the last three given."""
    assert single(contest({"a": (f"{HOME}:counter", 10)}, 3)) == {"a": [12.0, 13.0, 14.0]}


def test_contestants_live_in_processes_of_their_own() -> None:
    """Each has another pid than we have, keeps it, and what it prints disturbs nobody."""
    found = contest({"a": (f"{HOME}:pid",), "b": (f"{HOME}:pid",)}, 2)
    pids = [{figures["pid"] for figures in found[name]} for name in "ab"]
    assert all(len(one) == 1 for one in pids)
    assert len(pids[0] | pids[1] | {float(os.getpid())}) == 3


def test_who_is_not_installed_is_left_out() -> None:
    """A library that cannot be imported takes its contestant out, and no other."""
    assert list(contest({"a": (f"{HOME}:missing",), "b": (f"{HOME}:counter", 0)}, 1)) == ["b"]


def test_a_third_party_that_breaks_is_left_out() -> None:
    """What others wrote may break off; the rest is measured, and it has no figures."""
    found = contest({"pebble": (f"{HOME}:broken",), "b": (f"{HOME}:counter", 0)}, 2)
    assert single(found) == {"b": [2.0, 3.0]}


def test_one_that_does_not_come_back_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round has a time limit; whoever reaches it is killed and has broken off."""
    monkeypatch.setattr("pvsched.bench.contest.PATIENCE", 0.2)
    assert contest({"pebble": (f"{HOME}:stuck",), "b": (f"{HOME}:counter", 0)}, 1) == {"b": [{"": 2.0}]}


def break_one(processes: list[subprocess.Popen[str]]) -> None:
    with Contest({"b": (f"{HOME}:counter", 0), "a": (f"{HOME}:broken",)}) as held:
        processes += [one.process for one in held.there.values()]
        held.rounds(1)


def test_one_that_breaks_ends_the_contest_and_leaves_nobody() -> None:
    """An error in a round is an error of the contest; every process has ended when it is raised."""
    processes: list[subprocess.Popen[str]] = []
    with pytest.raises(RuntimeError, match="broke off"):
        break_one(processes)
    assert len(processes) == 2
    assert all(process.returncode is not None for process in processes)
