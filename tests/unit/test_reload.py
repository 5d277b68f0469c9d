"""A reload: one at a time, none lost, and a failure changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pvsched.config.load import load
from pvsched.config.settings import Settings
from pvsched.errors import QueueFull
from pvsched.log import Log
from pvsched.reload import NAME, Reload


class World:
    """A reload whose task the test answers by hand."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_CLOEXEC)
        self.tasks: list[tuple[Any, Callable[[dict[str, Any]], None]]] = []
        self.full = False
        self.applied: list[tuple[Settings, list[str]]] = []
        self.done = 0
        self.settings = load("/dev/null", {}, {}, uid=1)
        scheduler: Any = self
        self.reload = Reload(
            scheduler,
            Log("info", "plain", fd=self.writer, environ={}),
            self.settings,
            path="/c.toml",
            arguments={"scheduler.workers": "2"},
            apply=lambda settings, changed: self.applied.append((settings, changed)),
            done=self._done,
        )

    def add_task(self, task: Any, callback: Callable[[dict[str, Any]], None]) -> int:
        if self.full:
            raise QueueFull("full")
        self.tasks.append((task, callback))
        return len(self.tasks)

    def _done(self) -> None:
        self.done += 1

    def answer(self, data: object, outcome: str = "succeeded") -> None:
        _, callback = self.tasks.pop(0)
        callback({"outcome": outcome, "data": data, "error": {"message": "no"}})

    def log(self) -> str:
        return os.read(self.reader, 65536).decode()


@pytest.fixture
def world() -> Iterator[World]:
    """One, and its pipe closed afterwards."""
    made = World()
    yield made
    os.close(made.reader)
    os.close(made.writer)


def test_new_settings_are_applied_and_named(world: World) -> None:
    """The names that changed and those that wait for a restart are in the log; values are not."""
    world.reload.request()
    task = world.tasks[0][0]
    assert (task.name, task.data["path"], task.data["arguments"]) == (NAME, "/c.toml", {"scheduler.workers": "2"})
    assert "scheduler.capacity" in task.data["fixed"]
    new = load("/dev/null", {}, {"scheduler.workers": "7"}, uid=1)
    world.answer({**new.document(), "restart": ["scheduler.capacity"]})
    assert world.applied[0][1] == ["scheduler.workers"]
    assert world.applied[0][0].integer("scheduler.workers") == 7
    assert world.reload.settings.integer("scheduler.workers") == 7
    assert world.done == 1
    log = world.log()
    assert 'changed=["scheduler.workers"]' in log
    assert 'keys=["scheduler.capacity"]' in log


@pytest.mark.parametrize("outcome", ["failed", "timed_out", "expired", "cancelled"])
def test_a_task_that_does_not_succeed_changes_nothing(world: World, outcome: str) -> None:
    """It is logged, and the next SIGHUP is heard."""
    world.reload.request()
    world.answer(None, outcome)
    assert world.applied == []
    assert world.done == 1
    assert outcome in world.log()
    world.reload.request()
    assert len(world.tasks) == 1


def test_findings_are_logged_and_change_nothing(world: World) -> None:
    """Each with its place."""
    world.reload.request()
    finding = {
        "file": "/c.toml",
        "line": 3,
        "key": "log.levle",
        "message": "unknown key",
        "hint": "did you mean log.level?",
    }
    world.answer({"problems": [finding, finding]})
    assert world.applied == []
    assert world.log().count("line=3 key=log.levle") == 2


def test_a_full_queue_is_told_and_ends_the_reload(world: World) -> None:
    """The service manager is not left waiting."""
    world.full = True
    world.reload.request()
    assert world.done == 1
    assert "cannot reload" in world.log()


def test_requests_during_a_reload_make_exactly_one_more(world: World) -> None:
    """The file may have changed after it was read."""
    for _ in range(4):
        world.reload.request()
    assert len(world.tasks) == 1
    world.answer({**world.settings.document(), "restart": []})
    assert len(world.tasks) == 1
    world.answer({**world.settings.document(), "restart": []})
    assert world.tasks == []
    assert world.done == 2
