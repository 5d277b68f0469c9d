"""Hosts with habits of their own: SIGCHLD handlers, threads, forks, several schedulers, a sudden end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import pytest

import pvsched
from tests.unit.scheduler.conftest import EXECUTORS, WORKER_EXECUTORS, Bench


@pytest.mark.parametrize("name", ["echo", "local"])
def test_a_hosts_own_sigchld_handling_is_not_disturbed(bench: Bench, name: str) -> None:
    """A host that reaps by waitpid(-1) in its handler sees its own children, and none of ours."""
    registry = pvsched.Registry()
    registry.register("echo", "tests.unit.scheduler.handlers:echo")
    registry.register("local", lambda data, context: data)
    reaped: list[int] = []

    def reap(number: int, frame: object) -> None:
        try:
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                reaped.append(pid)
        except ChildProcessError:
            pass

    before = signal.signal(signal.SIGCHLD, reap)
    try:
        scheduler = bench.open(registry=registry)
        assert bench.one(scheduler, name)["outcome"] == "succeeded"
        assert bench.one(scheduler, name, executor="fork")["outcome"] == "succeeded"
        own = subprocess.Popen(["true"])
        while own.pid not in reaped:
            time.sleep(0.001)
        scheduler.close()
        assert reaped == [own.pid]
        own.returncode = 0
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("habit", ["ignores", "reaps"])
def test_a_programs_status_is_ours_whatever_the_host_does_with_its_children(
    bench: Bench, workers: int, habit: str
) -> None:
    """A program that failed has failed, inline too, in a host that ignores SIGCHLD or waits for every child."""

    def reap(number: int, frame: object) -> None:
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            pass

    before = signal.signal(signal.SIGCHLD, reap if habit == "reaps" else signal.SIG_IGN)
    try:
        document = bench.one(bench.open(workers=workers), "prog", argv=["sh", "-c", "exit 3"])
        assert (document["error"]["reason"], document["exit"]) == ("exit-status", {"code": 3})
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_two_schedulers_do_not_know_each_other(bench: Bench) -> None:
    """Each has its ids, its workers and its end."""
    one, two = bench.open(), bench.open(executor="fork")
    documents: dict[str, list[Any]] = {"one": [], "two": []}
    for n in range(10):
        one.add_task(pvsched.Task("echo", n), documents["one"].append)
        two.add_task(pvsched.Task("echo", -n), documents["two"].append)
    while one.pending or two.pending:
        one.run(wait=0.01)
        two.run(wait=0.01)
    one.close()
    assert bench.one(two, "echo", "alive")["data"] == "alive"
    assert {d["data"] for d in documents["one"]} == set(range(10))
    assert {d["data"] for d in documents["two"]} == {-n for n in range(10)}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_scheduler_lives_in_a_thread(executor: Any) -> None:
    """Opened, run and closed in a thread, with handlers that only this process knows."""
    registry = pvsched.Registry()
    registry.register("local", lambda data, context: data + 1)
    documents: list[Any] = []

    def work() -> None:
        with pvsched.Scheduler(executor=executor, registry=registry) as scheduler:
            scheduler.add_task(pvsched.Task("local", 1), documents.append)
            while scheduler.pending:
                scheduler.run(wait=1.0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert documents[0]["data"] == 2


def test_a_forked_child_is_told_that_it_is_not_its_scheduler(bench: Bench) -> None:
    """In a child every use raises Closed; the parent's goes on."""
    scheduler = bench.warm()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            scheduler.run()
        except pvsched.Closed as error:
            code = 0 if "forked" in str(error) else 2
        finally:
            scheduler.close()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert bench.one(scheduler, "echo", 1)["data"] == 1


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_when_the_supervisor_is_killed_nothing_is_left(executor: str, tmp_path: Any) -> None:
    """SIGKILL to the host: the keeper reads EOF and ends every descendant; the leak check sees to it."""
    code = textwrap.dedent(f"""
        import pvsched, sys
        from tests.unit.scheduler.handlers import REGISTRY
        scheduler = pvsched.Scheduler(executor={executor!r}, registry=REGISTRY)
        scheduler.add_task(pvsched.Task("family", {{"path": {str(tmp_path / "pid")!r}, "sleep": True}}))
        while True:
            scheduler.run(wait=1.0)
    """)
    host = subprocess.Popen([sys.executable, "-c", code])
    path = tmp_path / "pid"
    while not path.exists() or not path.stat().st_size:
        assert host.poll() is None
        time.sleep(0.01)
    host.kill()
    host.wait()
