"""Where workers come from: which keeper a handler needs, when it is made, and what if it dies."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

import pvsched
from tests.patience import patience
from tests.unit.scheduler.conftest import WORKER_EXECUTORS, Bench


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_functions_that_only_this_process_knows_run_in_workers(bench: Bench, executor: Any) -> None:
    """Closures and lambdas see the process as it was when their keeper was forked."""
    registry = pvsched.Registry()
    here = {"value": 1}
    registry.register("closure", lambda data, context: [here["value"], os.getpid()])
    scheduler = bench.open(executor=executor, registry=registry)
    value, pid = bench.one(scheduler, "closure")["data"]
    assert (value, pid != os.getpid()) == (1, True)
    here["value"] = 2
    assert bench.one(scheduler, "closure")["data"][0] == 1


def test_a_later_registration_makes_a_new_keeper(bench: Bench, tmp_path: Any) -> None:
    """It sees the process as it is then; what runs under the old one ends as it would have."""
    registry = pvsched.Registry()
    here = {"value": 1}
    registry.register("value", lambda data, context: here["value"])
    registry.register("long", lambda data, context: _until_there(data))
    scheduler, documents = bench.open(workers=2, registry=registry), []
    assert bench.one(scheduler, "value")["data"] == 1
    scheduler.add_task(pvsched.Task("long", str(tmp_path / "go")), documents.append)
    scheduler.run()
    here["value"] = 2
    registry.register("other", lambda data, context: here["value"] + 10)
    assert bench.one_of(scheduler, "other")["data"] == 12
    assert bench.one_of(scheduler, "value")["data"] == 2
    (tmp_path / "go").touch()
    bench.drain(scheduler)
    assert documents[0]["data"] == "went"


def _until_there(path: str) -> str:
    while not os.path.exists(path):
        time.sleep(0.005)
    return "went"


def test_main_functions_run_in_workers(tmp_path: Any) -> None:
    """A program's own functions, registered in __main__, need no module."""
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent("""
        import pvsched
        @pvsched.task("mine", timeout=30)
        def mine(data, context):
            return data * 2
        with pvsched.Scheduler(workers=1) as scheduler:
            scheduler.add_task(pvsched.Task("mine", 21), lambda document: print(document["data"]))
            while scheduler.pending:
                scheduler.run(wait=1.0)
    """)
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("42\n", "")


@pytest.mark.parametrize("name", ["sleep", "local"])
def test_a_keeper_that_dies_is_replaced(bench: Bench, name: str) -> None:
    """What ran ends `worker-died`, what waited runs under a new one, and an event tells of it."""
    registry = pvsched.Registry()
    registry.register("sleep", "tests.unit.scheduler.handlers:sleep")
    registry.register("local", lambda data, context: time.sleep(data))
    registry.register("parent", lambda data, context: os.getppid())
    scheduler, documents = bench.open(workers=1, registry=registry), []
    if name == "local":
        keeper = bench.one(scheduler, "parent")["data"]
    else:
        registry.register("parent", "os:getppid")
        registry.register("parent", "tests.unit.scheduler.test_keepers:parent")
        keeper = bench.one(scheduler, "parent")["data"]
    subscription = scheduler.subscribe()
    scheduler.add_task(pvsched.Task(name, 60), documents.append)
    bench.until(scheduler, lambda: [event for event in subscription.read() if event.type == "started"])
    scheduler.add_task(pvsched.Task(name, 0), documents.append)
    os.kill(keeper, signal.SIGKILL)
    bench.drain(scheduler)
    assert [document["outcome"] for document in documents] == ["failed", "succeeded"]
    assert documents[0]["error"]["reason"] == "worker-died"
    assert "keeper-died" in [event.type for event in subscription.read()]


def parent(data: Any, context: pvsched.Context) -> int:
    return os.getppid()


def test_no_keeper_is_made_without_need(bench: Bench) -> None:
    """Inline and thread tasks start no process."""
    scheduler = bench.open(workers=2, executor="thread")
    bench.one(scheduler, "echo")
    bench.one(scheduler, "echo", executor="inline")
    from pvsched.testing.leaks import descendants

    assert descendants() == {}


def test_a_keeper_made_ahead_serves(tmp_path: Any) -> None:
    """fork_keeper() before anything else, then Scheduler(keeper=...): the daemon's way."""
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent("""
        from pvsched.scheduler.keeper import fork_keeper
        keeper = fork_keeper(["json"])
        import pvsched, sys
        pvsched.register("mem", "tests.unit.scheduler.handlers:about")
        with pvsched.Scheduler(workers=1, keeper=keeper) as scheduler:
            scheduler.add_task(pvsched.Task("mem"), lambda document: print(document["outcome"]))
            while scheduler.pending:
                scheduler.run(wait=1.0)
        try:
            pvsched.Scheduler(keeper=keeper)
        except pvsched.SchedulerError as error:
            print(error)
    """)
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert done.stdout == "succeeded\nthis keeper already serves a scheduler\n", done.stderr


def test_a_loop_that_only_watches_the_descriptor_gets_its_keeper_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no process can be made the descriptor says when to try again."""
    import pvsched.scheduler.keepers as keepers

    registry = pvsched.Registry()
    registry.register("parent", "tests.unit.scheduler.test_keepers:parent")
    scheduler, documents = bench.open(workers=1, registry=registry), []
    keeper = bench.one(scheduler, "parent")["data"]
    made, tries = keepers.exec_keeper, 0

    def unlucky(modules: Any) -> int:
        nonlocal tries
        tries += 1
        if tries < 6:
            raise OSError(11, "Resource temporarily unavailable")
        return made(modules)

    monkeypatch.setattr(keepers, "exec_keeper", unlucky)
    os.kill(keeper, signal.SIGKILL)
    bench.until(scheduler, lambda: tries)
    scheduler.add_task(pvsched.Task("parent"), documents.append)
    while not documents:
        assert select.select([scheduler], [], [], patience(20))[0]
        scheduler.run()
    assert documents[0]["data"] != keeper
    assert tries == 6


def test_a_keeper_that_cannot_be_replaced_at_once_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the machine can start no process, what waits goes on waiting; then it runs."""
    import pvsched.scheduler.keepers as keepers

    registry = pvsched.Registry()
    registry.register("parent", "tests.unit.scheduler.test_keepers:parent")
    scheduler, documents = bench.open(workers=1, registry=registry), []
    keeper = bench.one(scheduler, "parent")["data"]
    failures = [OSError(11, "Resource temporarily unavailable"), pvsched.SchedulerError("no process")]
    made = keepers.exec_keeper

    def unlucky(modules: Any) -> int:
        if failures:
            raise failures.pop()
        return made(modules)

    monkeypatch.setattr(keepers, "exec_keeper", unlucky)
    os.kill(keeper, signal.SIGKILL)
    bench.until(scheduler, lambda: len(failures) == 1)
    scheduler.add_task(pvsched.Task("parent"), documents.append)
    bench.drain(scheduler)
    assert not failures
    assert documents[0]["outcome"] == "succeeded"
    assert documents[0]["data"] != keeper
