"""Cancel and kill: whatever a task does, it ends, and so does all that it has started."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

import pvsched
from tests.patience import patience
from tests.unit.scheduler.conftest import EXECUTORS, WORKER_EXECUTORS, Bench
from tests.unit.scheduler.handlers import PROGRAM


def is_gone(pid: int) -> bool:
    """Tell whether a process is dead, be it a zombie of init's."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # the second where it went between open and read
        return True


@pytest.mark.parametrize("executor", EXECUTORS)
def test_cancelled_while_queued_never_starts(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """It ends with the next run(), and its handler was not called."""
    scheduler, documents = bench.open(executor=executor), []
    task = pvsched.Task("touch-and-sleep", {"path": str(tmp_path / "x")})
    id = scheduler.add_task(task, documents.append)
    assert scheduler.cancel(id, "client-left")
    bench.drain(scheduler)
    assert (documents[0]["outcome"], documents[0]["by"]) == ("cancelled", "client-left")
    assert documents[0]["started_at"] is None
    assert not (tmp_path / "x").exists()
    assert not scheduler.cancel(id)


@pytest.mark.parametrize("executor", [*WORKER_EXECUTORS, "thread"])
def test_a_running_task_hears_of_its_cancel(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """context.cancelled() turns true, and the document says by whom."""
    scheduler, documents = bench.open(executor=executor), []
    id = scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x")), documents.append)
    bench.file_appears(scheduler, tmp_path / "x")
    assert scheduler.cancel(id)
    bench.drain(scheduler)
    assert (documents[0]["outcome"], documents[0]["by"], documents[0]["data"]) == ("cancelled", "caller", None)


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_a_pool_goes_on_after_a_cancel(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """The flag of one task is not raised for the next one in the same worker."""
    scheduler = bench.open(executor=executor, workers=1)
    id = scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x")))
    bench.file_appears(scheduler, tmp_path / "x")
    scheduler.cancel(id)
    bench.drain(scheduler)
    for _ in range(3):
        assert bench.one(scheduler, "about")["data"]["cancelled"] is False


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_grace_then_sigkill_without_a_second_cancel(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """One that ignores SIGTERM is dead when its grace is over."""
    scheduler, documents = bench.open(executor=executor), []
    id = scheduler.add_task(pvsched.Task("stubborn", str(tmp_path / "x"), grace=0.1), documents.append)
    bench.file_appears(scheduler, tmp_path / "x")
    scheduler.cancel(id)
    bench.drain(scheduler)
    assert (documents[0]["outcome"], documents[0]["exit"]) == ("cancelled", {"signal": signal.SIGKILL})


def dies(pid: int) -> bool:
    """Wait until a process is dead, without a call of the scheduler's."""
    until = time.monotonic() + patience(30)
    while not is_gone(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return is_gone(pid)


@pytest.mark.parametrize("executor", [*WORKER_EXECUTORS, "exec"])
def test_a_cancel_needs_no_further_call(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """SIGTERM, grace and SIGKILL come though run() is not called again; the document then says so."""
    scheduler, documents = bench.open(executor="pool" if executor == "exec" else executor), []
    task = pvsched.Task("stubborn", str(tmp_path / "x"), grace=0.1)
    if executor == "exec":
        task = pvsched.Task(
            "sh", argv=["sh", "-c", f"trap '' TERM; echo $$ >{tmp_path}/x; sleep 60 & wait; wait"], grace=0.1
        )
    id = scheduler.add_task(task, documents.append)
    bench.file_appears(scheduler, tmp_path / "x")
    while (pid := scheduler.explain(id)["worker"]) is None:
        scheduler.run(wait=0.1)  # it has begun before we are told of its start
    assert scheduler.cancel(id)
    assert dies(pid)
    bench.drain(scheduler)
    assert (documents[0]["outcome"], documents[0]["exit"]) == ("cancelled", {"signal": signal.SIGKILL})


def test_a_worker_that_obeys_a_cancel_is_given_the_next_task(bench: Bench, tmp_path: Any) -> None:
    """What it was threatened with is taken back before it has another task: that one outlives the old grace."""
    scheduler = bench.open(workers=1)
    before = bench.one(scheduler, "about")["data"]["pid"]
    for n in range(5):
        documents: list[Any] = []
        id = scheduler.add_task(pvsched.Task("polite", str(tmp_path / f"x{n}"), grace=0.2), documents.append)
        bench.file_appears(scheduler, tmp_path / f"x{n}")
        assert scheduler.cancel(id)
        bench.drain(scheduler)
        assert documents[0]["outcome"] == "cancelled"
    assert bench.one(scheduler, "sleep", 0.5)["outcome"] == "succeeded"
    assert bench.one(scheduler, "about")["data"]["pid"] == before


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_a_second_cancel_is_sigkill(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """Asked twice, it does not wait for the grace of an hour."""
    scheduler, documents = bench.open(executor=executor), []
    id = scheduler.add_task(pvsched.Task("stubborn", str(tmp_path / "x"), grace=3600), documents.append)
    bench.file_appears(scheduler, tmp_path / "x")
    assert scheduler.cancel(id)
    scheduler.run()
    assert scheduler.cancel(id)
    bench.drain(scheduler)
    assert documents[0]["exit"] == {"signal": signal.SIGKILL}


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_the_tree_dies_with_its_task(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """A grandchild in a session of its own is dead when a timed out task's document comes."""
    scheduler, documents = bench.warm(executor=executor), []
    task = pvsched.Task("family", {"path": str(tmp_path / "pid"), "sleep": True}, timeout=patience(3))
    scheduler.add_task(task, documents.append)
    pid = int(bench.file_appears(scheduler, tmp_path / "pid", 1))
    bench.drain(scheduler)
    assert documents[0]["outcome"] == "timed_out"
    assert is_gone(pid)


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_what_a_success_leaves_behind_is_killed(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """Whatever the end: after the document nothing of the task is left."""
    scheduler = bench.open(executor=executor)
    document = bench.one(scheduler, "family", {"path": str(tmp_path / "pid")})
    assert document["data"] == "left"
    bench.until(scheduler, lambda: is_gone(int((tmp_path / "pid").read_text())))


@pytest.mark.parametrize("executor", [*WORKER_EXECUTORS, "exec"])
def test_a_task_that_asks_to_survive_is_left_alone(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """With survive=True the grandchild outlives the task and the scheduler."""
    path = tmp_path / "pid"
    options: dict[str, Any] = {"executor": executor, "survive": True}
    if executor == "exec":
        code = f"from tests.unit.scheduler.handlers import family; family({{'path': {str(path)!r}}}, None)"
        options["argv"] = [PROGRAM[0], "-c", code]
        options["cwd"] = os.getcwd()
    scheduler = bench.open()
    document = bench.one(scheduler, "family", {"path": str(path)}, **options)
    scheduler.close()
    pid = int(path.read_text())
    try:
        assert document["outcome"] == "succeeded", document
        assert not is_gone(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_what_a_survivor_leaves_survives_too(bench: Bench, tmp_path: Any) -> None:
    """The children of a process that outlives its task are not killed when that process leaves."""
    path, scheduler = tmp_path / "pids", bench.open(workers=1)
    document = bench.one(scheduler, "generations", {"path": str(path)}, executor="fork", survive=True)
    assert document["outcome"] == "succeeded", document
    parent, child = (int(word) for word in path.read_text().split())
    try:
        (tmp_path / "pids.go").touch()
        bench.until(scheduler, lambda: not os.path.exists(f"/proc/{parent}"))  # the keeper has reaped it
        for _ in range(3):  # it looks for what is nobody's when a worker ends
            assert bench.one(scheduler, "echo", 1, executor="fork")["data"] == 1
        assert not is_gone(child)
        scheduler.close()
        assert not is_gone(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_programs_tree_dies_too(bench: Bench, tmp_path: Any) -> None:
    """A program's grandchildren are dead when it has been cancelled."""
    data = {"path": str(tmp_path / "pid"), "sleep": 1}
    code = f"from tests.unit.scheduler.handlers import family; family({data!r}, None)"
    scheduler, documents = bench.open(), []
    id = scheduler.add_task(
        pvsched.Task("prog", argv=[PROGRAM[0], "-c", code], cwd=os.getcwd(), grace=0.05), documents.append
    )
    pid = int(bench.file_appears(scheduler, tmp_path / "pid", 1))
    scheduler.cancel(id)
    bench.drain(scheduler)
    assert documents[0]["outcome"] == "cancelled"
    assert is_gone(pid)


def test_a_result_that_was_there_first_wins(bench: Bench) -> None:
    """A complete frame that is readable when the cancel is processed makes the task succeed."""
    scheduler, documents = bench.warm(workers=1), []
    id = scheduler.add_task(pvsched.Task("echo", "first"), documents.append)
    scheduler.run()  # it is sent
    import select

    select.select([scheduler.fileno()], [], [], 30)  # and has answered
    scheduler.cancel(id)
    bench.drain(scheduler)
    assert (documents[0]["outcome"], documents[0]["data"]) == ("succeeded", "first")


def test_inline_tasks_can_be_cancelled_before_they_run(bench: Bench) -> None:
    """A callback of the same turn may withdraw an inline task that was about to run."""
    scheduler, documents = bench.open(workers=0), []
    second: list[int] = []
    scheduler.add_task(pvsched.Task("echo", 1), lambda document: scheduler.cancel(second[0]))
    second.append(scheduler.add_task(pvsched.Task("echo", 2), documents.append))
    bench.drain(scheduler)
    assert documents[0]["outcome"] == "cancelled"


def test_a_thread_that_overran_keeps_its_place_until_it_returns(bench: Bench) -> None:
    """Its END comes at the deadline; the next task starts only when the thread is back."""
    scheduler, documents = bench.open(workers=1, executor="thread"), []
    scheduler.add_task(pvsched.Task("sleep", 0.4, timeout=0.05), documents.append)
    scheduler.add_task(pvsched.Task("echo", "next"), documents.append)
    bench.drain(scheduler)
    assert [document["outcome"] for document in documents] == ["timed_out", "succeeded"]
    assert documents[1]["started_at"] - documents[0]["started_at"] >= 0.4
    assert documents[0]["ended_at"] < documents[1]["started_at"]
