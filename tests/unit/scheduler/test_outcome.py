"""Every outcome, every reason, every field of the document."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

import pvsched
from pvsched.scheduler.outcome import EVENT, Ending, WallTime
from tests.patience import patience
from tests.unit.scheduler.conftest import EXECUTORS, WORKER_EXECUTORS, Bench
from tests.unit.scheduler.handlers import PROGRAM, RESULT_PROGRAM

FIELDS = ["type", "id", "outcome", "data", "queued_at", "started_at", "ended_at", "time", "worker", "exit"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_success_has_every_field_in_every_executor(bench: Bench, executor: Any) -> None:
    """A handler's result comes back as `data`, with the times in order and nothing besides."""
    scheduler = bench.open(executor=executor)
    before = time.monotonic()
    document = bench.one(scheduler, "add", {"a": 2, "b": 3})
    assert list(document) == FIELDS
    assert (document["type"], document["outcome"], document["data"]) == ("add", "succeeded", {"sum": 5})
    assert before <= document["queued_at"] <= document["started_at"] <= document["ended_at"] <= time.monotonic()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["time"])
    assert document["exit"] is None
    assert (document["worker"] is None) == (executor in ("inline", "thread"))


def test_workers_0_runs_everything_inline(bench: Bench) -> None:
    """With no workers a pool task runs in this process, one each turn."""
    scheduler = bench.open(workers=0)
    documents: list[dict[str, Any]] = []
    for _ in range(3):
        scheduler.add_task(pvsched.Task("about", executor="pool"), documents.append)
    assert scheduler.run() == 0
    assert [scheduler.run() for _ in range(3)] == [1, 1, 1]
    assert {document["data"]["pid"] for document in documents} == {os.getpid()}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_context_knows_id_and_deadline(bench: Bench, executor: Any) -> None:
    """The handler sees its own id, and start + timeout as its deadline."""
    document = bench.one(bench.open(executor=executor), "about", timeout=60)
    assert document["data"]["id"] == document["id"]
    assert document["data"]["deadline"] == pytest.approx(document["started_at"] + 60, abs=0.05)
    assert document["data"]["cancelled"] is False


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_exception_is_failed_raised_with_its_traceback(bench: Bench, executor: Any) -> None:
    """What the handler raised is in the message, where it did so in the detail."""
    document = bench.one(bench.open(executor=executor), "raise", "boom")
    assert document["outcome"] == "failed"
    assert document["data"] is None
    assert document["error"]["reason"] == "raised"
    assert document["error"]["message"] == "RuntimeError: boom"
    assert "in raise_" in document["error"]["detail"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_sys_exit_is_only_an_exception(bench: Bench, executor: Any) -> None:
    """A handler that calls sys.exit() fails its task and ends nothing else."""
    document = bench.one(bench.open(executor=executor), "sys-exit", 3)
    assert document["error"]["message"] == "SystemExit: 3"


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("what", ["set", "nan", "inf"])
def test_a_result_that_json_cannot_say_is_bad_json(bench: Bench, executor: Any, what: str) -> None:
    """Sets, NaN and Infinity are refused where the handler returns them."""
    document = bench.one(bench.open(executor=executor), "unsayable", what)
    assert (document["outcome"], document["error"]["reason"]) == ("failed", "bad-json")


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", ["missing-module", "missing-name"])
def test_a_handler_that_cannot_be_imported_is_unknown(bench: Bench, executor: Any, name: str) -> None:
    """The task fails with `unknown-handler` and the import's own words."""
    document = bench.one(bench.open(executor=executor), name)
    assert (document["outcome"], document["error"]["reason"]) == ("failed", "unknown-handler")
    assert "no_such" in document["error"]["message"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_result_may_have_its_limit_and_not_a_byte_more(bench: Bench, executor: Any) -> None:
    """The limit counts the bytes of the JSON text, quotes and all."""
    scheduler = bench.open(executor=executor)
    assert bench.one(scheduler, "large", 98, result_limit=100)["data"] == "x" * 98
    document = bench.one(scheduler, "large", 99, result_limit=100)
    assert (document["outcome"], document["error"]["reason"]) == ("failed", "result-too-large")


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_large_results_come_whole(bench: Bench, executor: Any) -> None:
    """A result far above the buffer of 64 KiB arrives unchanged."""
    document = bench.one(bench.open(executor=executor), "large", 3_000_000, result_limit=1 << 22)
    assert document["data"] == "x" * 3_000_000


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_large_data_arrives_whole(bench: Bench, executor: Any) -> None:
    """A payload of a megabyte reaches the handler unchanged."""
    data = {"text": "y" * 1_000_000}
    document = bench.one(bench.open(executor=executor), "echo", data, result_limit=1 << 22)
    assert document["data"] == data


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
@pytest.mark.parametrize(("code", "reason"), [(0, "no-result"), (7, "exit-status")])
def test_a_worker_that_exits_says_how(bench: Bench, executor: Any, code: int, reason: str) -> None:
    """An exit inside a handler is `no-result` for 0, else `exit-status` with the code."""
    document = bench.one(bench.open(executor=executor), "exit", code)
    assert (document["outcome"], document["error"]["reason"]) == ("failed", reason)
    assert document["exit"] == {"code": code}
    assert isinstance(document["worker"], int)


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_a_worker_that_is_killed_is_worker_died(bench: Bench, executor: Any) -> None:
    """Death by a signal that is not ours names the signal, and the next task gets a fresh worker."""
    scheduler = bench.open(executor=executor, workers=1)
    document = bench.one(scheduler, "kill-self", signal.SIGKILL)
    assert (document["outcome"], document["error"]["reason"]) == ("failed", "worker-died")
    assert document["exit"] == {"signal": signal.SIGKILL}
    assert bench.one(scheduler, "add", {"a": 1, "b": 1})["outcome"] == "succeeded"


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
@pytest.mark.parametrize(("name", "reasons"), [("garbage", {"bad-json"}), ("flood", {"bad-json"})])
def test_bytes_that_are_no_frame_fail_the_task(bench: Bench, executor: Any, name: str, reasons: set[str]) -> None:
    """Garbage and floods on the channel end in one named outcome, and the worker is dead."""
    document = bench.one(bench.open(executor=executor), name)
    assert document["outcome"] == "failed"
    assert document["error"]["reason"] in reasons


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_a_worker_that_closes_its_channel_has_no_result(bench: Bench, executor: Any) -> None:
    """EOF on the channel while the process lives on is `no-result`; the process is killed."""
    document = bench.one(bench.open(executor=executor), "close-channel")
    assert (document["outcome"], document["error"]["reason"]) == ("failed", "no-result")


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
@pytest.mark.parametrize("name", ["sleep", "stop-self"])
def test_an_overrun_is_timed_out_and_killed(bench: Bench, executor: Any, name: str) -> None:
    """At the timeout comes SIGKILL, also for a process that has stopped itself."""
    document = bench.one(bench.open(executor=executor), name, 60, timeout=0.2)
    assert document["outcome"] == "timed_out"
    assert (document["after"], document["signal"]) == (0.2, signal.SIGKILL)
    assert document["exit"] == {"signal": signal.SIGKILL}


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_a_graceful_timeout_begins_with_sigterm(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """A handler that heeds the flag ends by itself; its task has timed out all the same."""
    document = bench.one(
        bench.warm(executor=executor), "polite", str(tmp_path / "x"), timeout=0.2, on_timeout="graceful", grace=20
    )
    assert (document["outcome"], document["signal"]) == ("timed_out", signal.SIGTERM)


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_grace_ends_in_sigkill(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """One that ignores SIGTERM is killed when its grace is over."""
    document = bench.one(
        bench.warm(executor=executor), "stubborn", str(tmp_path / "x"), timeout=0.2, on_timeout="graceful", grace=0.2
    )
    assert (document["outcome"], document["signal"]) == ("timed_out", signal.SIGKILL)


@pytest.mark.parametrize("options", [{"workers": 0}, {"executor": "inline"}, {"executor": "thread"}])
def test_an_overrun_here_cannot_be_interrupted_and_says_so(bench: Bench, options: Any) -> None:
    """Inline and thread tasks end `timed_out` too, and the document says that nothing was interrupted."""
    document = bench.one(bench.open(**options), "sleep", 0.3, timeout=0.05)
    assert (document["outcome"], document["after"], document["interrupted"]) == ("timed_out", 0.05, False)
    assert document["data"] is None


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_task_that_waits_too_long_expires_unstarted(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """queue_timeout ends the wait; the handler was never called."""
    scheduler = bench.warm(workers=1, executor=executor)  # on a busy machine a keeper starts slowly
    scheduler.set_lane("shut", limit=1)
    documents: list[dict[str, Any]] = []
    scheduler.add_task(pvsched.Task("sleep", 0.5, lane="shut", executor="thread"))
    bench.until(scheduler, lambda: scheduler.stats()["running"])
    task = pvsched.Task("touch-and-sleep", {"path": str(tmp_path / "x")}, lane="shut", queue_timeout=0.05)
    scheduler.add_task(task, documents.append)
    bench.drain(scheduler)
    assert [document["outcome"] for document in documents] == ["expired"]
    assert (documents[0]["started_at"], documents[0]["worker"]) == (None, None)
    assert not (tmp_path / "x").exists()


# ---- programs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_a_program_gets_json_and_answers_on_its_descriptor(bench: Bench, workers: int, tmp_path: Any) -> None:
    """Data on stdin, the result on PVSCHED_RESULT_FD, in the directory asked for."""
    scheduler = bench.open(workers=workers)
    document = bench.one(scheduler, "prog", [1, 2], argv=RESULT_PROGRAM, executor="exec", cwd=str(tmp_path))
    assert document["data"] == {"got": [1, 2], "cwd": str(tmp_path)}
    assert (document["outcome"], document["exit"]) == ("succeeded", {"code": 0})
    assert document["output"] == {"stdout": "", "stderr": "", "truncated": False}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_program_without_a_result_has_succeeded_with_null(bench: Bench, workers: int) -> None:
    """Exit 0 is enough; what it printed is in `output`."""
    argv = [*PROGRAM, "import sys; print('out'); print('err', file=sys.stderr)"]
    document = bench.one(bench.open(workers=workers), "prog", argv=argv)
    assert (document["outcome"], document["data"]) == ("succeeded", None)
    assert document["output"] == {"stdout": "out\n", "stderr": "err\n", "truncated": False}


@pytest.mark.parametrize("workers", [0, 1])
def test_output_is_cut_at_its_limit(bench: Bench, workers: int) -> None:
    """A program that prints much is not stopped; what is over output_limit is dropped, and it says so."""
    argv = [*PROGRAM, "print('x' * 1000000)"]
    document = bench.one(bench.open(workers=workers), "prog", argv=argv, output_limit=1000)
    assert document["output"] == {"stdout": "x" * 1000, "stderr": "", "truncated": True}
    assert document["outcome"] == "succeeded"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        ("raise SystemExit(3)", "exit-status", {"code": 3}),
        ("import os; os.kill(os.getpid(), 9)", "worker-died", {"signal": 9}),
        ("import os; os.write(3 if True else 0, b'{')", "bad-json", {"code": 0}),
        ("import os; os.write(int(os.environ['PVSCHED_RESULT_FD']), b'1' * 200)", "result-too-large", None),
    ],
)
def test_programs_fail_with_a_reason(bench: Bench, workers: int, code: str, reason: str, status: Any) -> None:
    """Exit status, death, broken JSON and a result above the limit are told apart."""
    code = code.replace("3 if True else 0", "int(os.environ['PVSCHED_RESULT_FD'])")
    document = bench.one(bench.open(workers=workers), "prog", argv=[*PROGRAM, code], result_limit=100)
    assert (document["outcome"], document["error"]["reason"]) == ("failed", reason)
    assert status is None or document["exit"] == status


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("make", "number"), [("absent", 2), ("no-right", 13), ("no-format", 8)])
def test_exec_errors_carry_their_errno(bench: Bench, workers: int, make: str, number: int, tmp_path: Any) -> None:
    """ENOENT, EACCES and ENOEXEC are in the outcome as numbers."""
    path = tmp_path / make
    if make != "absent":
        path.write_bytes(b"\x7fnot a program\n")
        path.chmod(0o644 if make == "no-right" else 0o755)
    document = bench.one(bench.open(workers=workers), "prog", argv=[str(path)])
    assert (document["outcome"], document["error"]["reason"]) == ("failed", "exec-failed")
    assert document["error"]["errno"] == number


@pytest.mark.parametrize("workers", [0, 1])
def test_a_program_has_its_own_environment_and_finds_its_way(bench: Bench, workers: int) -> None:
    """env= is the whole environment, but for what we add; a bare name is looked up on PATH."""
    document = bench.one(bench.open(workers=workers), "prog", argv=["env"], env={"PATH": os.environ["PATH"], "A": "b"})
    lines = dict(line.split("=", 1) for line in document["output"]["stdout"].splitlines())
    assert lines == {"PATH": os.environ["PATH"], "A": "b", "PVSCHED_RESULT_FD": "3"}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("survive", [False, True])
def test_what_left_a_programs_session_ends_with_it(bench: Bench, workers: int, survive: bool) -> None:
    """Though it holds the program's output open; unless it may survive."""
    argv = ["sh", "-c", f"setsid sleep {patience(60):.0f} >/dev/null & echo $!"]
    document = bench.one(bench.open(workers=workers), "prog", argv=argv, survive=survive)
    assert document["outcome"] == "succeeded"
    pid = int(document["output"]["stdout"])
    if survive:
        os.kill(pid, signal.SIGKILL)
    else:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_interrupt_ends_an_inline_program(bench: Bench) -> None:
    """Ctrl-C while run() waits for a program raises there, the program is killed, and its task has failed."""
    scheduler, documents = bench.open(workers=0), []
    scheduler.add_task(pvsched.Task("prog", argv=["sleep", "60"]), documents.append)
    before = signal.signal(signal.SIGALRM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            bench.drain(scheduler)
    finally:
        signal.signal(signal.SIGALRM, before)
    bench.drain(scheduler)
    assert documents[0]["outcome"] == "failed"


def test_the_end_of_an_inline_program_is_read_from_memory_that_is_still_ours() -> None:
    """With an allocator that overwrites what is given back, its status, result and output are as ever."""
    code = """
import pvsched
argv = ["sh", "-c", "echo out; echo 5 >&3; echo err >&2"]
with pvsched.Scheduler(workers=0) as scheduler:
    scheduler.add_task(pvsched.Task("prog", argv=argv), lambda d: print(d["data"], d["exit"], d["output"]))
    while scheduler.pending:
        scheduler.run(wait=1)
"""
    environment = {**os.environ, "PYTHONMALLOC": "debug", "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "5 {'code': 0} {'stdout': 'out\\n', 'stderr': 'err\\n', 'truncated': False}\n", done.stderr


def test_a_registered_program_needs_no_handler(bench: Bench) -> None:
    """A name registered with argv= alone runs as a program whatever the scheduler's executor is."""
    assert bench.one(bench.open(), "true")["exit"] == {"code": 0}


def test_a_program_that_overruns_is_killed(bench: Bench) -> None:
    """Timeouts hold for programs as for handlers."""
    document = bench.one(bench.open(), "prog", argv=["sleep", "60"], timeout=0.2)
    assert (document["outcome"], document["signal"]) == ("timed_out", signal.SIGKILL)


# ---- the pieces -------------------------------------------------------------------------------------


def test_the_record_matches_the_header() -> None:
    """struct pvs_event has the size and the order of fields that Python reads."""
    from pvsched._core import ffi

    names = [name for name, _ in ffi.typeof("struct pvs_event").fields]
    assert ffi.sizeof("struct pvs_event") == EVENT.size
    ending = Ending(tuple(range(25)))
    assert [getattr(ending, name) for name in names] == list(range(25))


def test_wall_time_is_iso_8601_in_utc() -> None:
    """Seconds since the epoch, also within one second and across it."""
    times = iter([0.0, 0.9996, 1.5, 1700000000.25])
    wall = WallTime(lambda: next(times))
    assert [wall() for _ in range(4)] == [
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.999Z",
        "1970-01-01T00:00:01.500Z",
        "2023-11-14T22:13:20.250Z",
    ]


assert sys.version_info >= (3, 10)
