"""The main loop's side: callbacks, run(), close(), hosts with habits of their own."""

from __future__ import annotations

import os
import select
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
from tests.unit.scheduler.handlers import REGISTRY


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


# ---- close ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", EXECUTORS)
def test_close_calls_everyone_back_once_by_shutdown(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """Running, waiting and shared tasks all end `cancelled` by `shutdown`; nobody is called twice."""
    scheduler, documents = bench.open(workers=1, executor=executor), []
    ids = [scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x"), key="k"), documents.append)]
    if executor != "inline":
        bench.file_appears(scheduler, tmp_path / "x")
    ids += [scheduler.add_task(pvsched.Task("echo"), documents.append) for _ in range(5)]
    ids += [scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="coalesce"), documents.append)]
    ids += [scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="replace"), documents.append)]
    scheduler.close()
    scheduler.close()
    assert sorted(document["id"] for document in documents) == ids
    by = {(document["outcome"], document.get("by")) for document in documents}
    assert by <= {("cancelled", "shutdown"), ("cancelled", "replaced")}, by
    assert scheduler.pending == 0


def test_close_does_not_wait_for_the_stubborn(bench: Bench, tmp_path: Any) -> None:
    """After its timeout comes SIGKILL, whatever the grace."""
    scheduler, documents = bench.open(), []
    scheduler.add_task(pvsched.Task("stubborn", str(tmp_path / "x"), grace=3600), documents.append)
    bench.file_appears(scheduler, tmp_path / "x")
    scheduler.close(timeout=0.1)
    assert (documents[0]["by"], documents[0]["exit"]) == ("shutdown", {"signal": signal.SIGKILL})


def test_close_leaves_a_thread_behind_and_says_cancelled(bench: Bench, tmp_path: Any) -> None:
    """A thread cannot be killed: its callback comes now, what it returns is dropped."""
    scheduler, documents = bench.open(executor="thread"), []
    scheduler.add_task(pvsched.Task("touch-and-sleep", {"path": str(tmp_path / "x"), "seconds": 0.5}), documents.append)
    bench.file_appears(scheduler, tmp_path / "x")
    scheduler.close()
    assert [(document["outcome"], document["by"]) for document in documents] == [("cancelled", "shutdown")]


@pytest.mark.parametrize("executor", ["inline", "pool"])
def test_a_callback_may_close(bench: Bench, executor: Any) -> None:
    """What was collected with it is still delivered once; all else is cancelled."""
    scheduler, documents = bench.open(executor=executor, workers=1, inline_budget=3), []

    def callback(document: dict[str, Any]) -> None:
        documents.append(document)
        scheduler.close()

    for _ in range(6):
        scheduler.add_task(pvsched.Task("echo"), callback)
    while not scheduler.closed:
        scheduler.run(wait=1.0)
    assert sorted(document["id"] for document in documents) == [1, 2, 3, 4, 5, 6]


def test_an_inline_handler_may_close() -> None:
    """The task that closes its own scheduler is cancelled by it; nothing else happens."""
    registry = pvsched.Registry()
    registry.register("close", lambda data, context: scheduler.close())
    scheduler = pvsched.Scheduler(0, registry=registry)
    documents: list[Any] = []
    scheduler.add_task(pvsched.Task("close"), documents.append)
    while not scheduler.closed:
        scheduler.run()
    assert [document["by"] for document in documents] == ["shutdown"]


def test_with_closes_also_when_the_body_raises() -> None:
    """Leaving by an exception ends what runs; the leak check sees to the rest."""
    documents: list[Any] = []
    with pytest.raises(ZeroDivisionError), pvsched.Scheduler(registry=REGISTRY) as scheduler:  # noqa: PT012
        scheduler.add_task(pvsched.Task("sleep", 60), documents.append)
        scheduler.run()
        raise ZeroDivisionError
    assert documents[0]["by"] == "shutdown"


def test_a_forgotten_scheduler_leaves_nothing() -> None:
    """Without close(), its end as an object ends its processes."""
    scheduler = pvsched.Scheduler(registry=REGISTRY)
    scheduler.add_task(pvsched.Task("sleep", 60))
    scheduler.run(wait=0.5)
    del scheduler


# ---- hosts ------------------------------------------------------------------------------------------


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


# ---- keepers ----------------------------------------------------------------------------------------


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
        registry.register("parent", "tests.unit.scheduler.test_scheduler:parent")
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
