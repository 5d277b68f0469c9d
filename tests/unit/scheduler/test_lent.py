"""Descriptors lent to a task, and limits put on it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from typing import Any

import pytest

import pvsched
from tests.unit.scheduler.conftest import EXECUTORS, WORKER_EXECUTORS, Bench
from tests.unit.scheduler.handlers import PROGRAM


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_lent_descriptors_arrive_by_name(bench: Bench, executor: Any) -> None:
    """Each name leads to what was lent under it; the caller may close its own at once."""
    ends = {"one": os.pipe(), "two": os.pipe()}
    scheduler, documents = bench.open(executor=executor), []
    task = pvsched.Task("read-fds", fds={name: pair[0] for name, pair in ends.items()})
    scheduler.add_task(task, documents.append)
    for name, pair in ends.items():
        os.write(pair[1], name.encode())
        os.close(pair[0])
        os.close(pair[1])
    bench.drain(scheduler)
    assert documents[0]["data"] == {"one": "one", "two": "two"}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_lent_descriptors_are_closed_after_the_task(bench: Bench, executor: Any, pipe: Any) -> None:
    """When the task has ended and the caller closes its own, the other end reads EOF."""
    scheduler = bench.open(executor=executor, workers=1)
    out = os.dup(pipe[1])
    document = bench.one(scheduler, "write-fd", "hello", fds={"out": out})
    os.close(out)
    assert document["data"] == ["out"]
    os.set_blocking(pipe[0], False)
    assert os.read(pipe[0], 100) == b"hello"
    bench.one(scheduler, "echo")  # a worker closes what it was lent before it takes the next
    ours = os.fstat(pipe[1])
    held = bench.one(scheduler, "open-fds")["data"]
    if executor in WORKER_EXECUTORS:
        assert not [name for _, name in held if name == f"pipe:[{ours.st_ino}]"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_program_finds_its_descriptors_by_environment(bench: Bench, workers: int, pipe: Any) -> None:
    """PVSCHED_FDS names them, and they are open under those numbers."""
    code = (
        "import os; lent = dict(pair.split(':') for pair in os.environ['PVSCHED_FDS'].split(','));"
        "[os.write(int(fd), name.encode()) for name, fd in sorted(lent.items())]"
    )
    document = bench.one(bench.open(workers=workers), "prog", argv=[*PROGRAM, code], fds={"a": pipe[1], "b": pipe[1]})
    assert document["outcome"] == "succeeded", document
    assert os.read(pipe[0], 100) == b"ab"


def test_a_task_that_never_starts_gives_them_back(bench: Bench, pipe: Any) -> None:
    """Cancelled or expired: the duplicates are closed; the leak check would see them."""
    scheduler, documents = bench.open(workers=1), []
    for options in ({}, {"queue_timeout": 0.01}):
        task = pvsched.Task("echo", fds={"x": pipe[0]}, lane="shut", **options)
        id = scheduler.add_task(task, documents.append)
        if not options:
            scheduler.cancel(id)
    bench.drain(scheduler)
    assert len(documents) == 2


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_a_worker_has_only_what_it_should(bench: Bench, executor: Any, pipe: Any) -> None:
    """Beside stdin, stdout, stderr a worker has its channel and no descriptor of the host."""
    inode = f"pipe:[{os.fstat(pipe[0]).st_ino}]"
    held = bench.one(bench.open(executor=executor), "open-fds")["data"]
    assert inode not in [name for fd, name in held if fd > 2]
    assert len([fd for fd, _ in held if fd > 2]) <= 3, held


def test_a_program_has_only_what_it_should(bench: Bench, pipe: Any) -> None:
    """0, 1, 2, its result channel and what was lent: nothing else is open."""
    code = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"
    document = bench.one(bench.open(), "prog", argv=[*PROGRAM, code], fds={"x": pipe[0]})
    assert document["output"]["stdout"] in ("[0, 1, 2, 3, 4, 5]\n", "[0, 1, 2, 3, 4]\n"), document


@pytest.mark.parametrize("executor", WORKER_EXECUTORS)
def test_limits_hold_for_their_task_alone(bench: Bench, executor: Any) -> None:
    """A task with limits has them, the next one in the same scheduler has not."""
    scheduler = bench.open(executor=executor, workers=1)
    limits = {"nice": 3, "memory": 1 << 30, "cpu": 50, "files": 123, "ionice": "idle"}
    data = bench.one(scheduler, "limits", limits=limits)["data"]
    assert data == {"nice": min(os.nice(0) + 3, 19), "memory": 1 << 30, "cpu": 50, "files": 123}
    after = bench.one(scheduler, "limits")["data"]
    assert after["files"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert after["nice"] == os.nice(0)


def test_limits_hold_for_programs(bench: Bench) -> None:
    """rlimits are set between fork and exec."""
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    document = bench.one(bench.open(), "prog", argv=[*PROGRAM, code], limits={"files": 99})
    assert document["output"]["stdout"] == "99\n"


def test_a_limit_that_is_reached_ends_the_task(bench: Bench) -> None:
    """Too much memory is an exception in the handler, not the machine's trouble."""
    document = bench.one(bench.open(), "large", 1 << 30, limits={"memory": 1 << 29})
    assert document["error"]["message"].startswith("MemoryError")


def test_workers_0_ignores_limits_and_says_so(bench: Bench) -> None:
    """They could not be undone in this process."""
    document = bench.one(bench.open(workers=0), "limits", limits={"files": 123})
    assert document["ignored"] == ["limits"]
    assert document["data"]["files"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.mark.parametrize(
    ("options", "task"),
    [
        ({"workers": 0}, {"name": "read-fds"}),
        ({"executor": "thread"}, {"name": "read-fds"}),
        ({"workers": 0}, {"name": "prog", "argv": ["true"]}),
    ],
)
def test_no_descriptor_left_fails_the_task_not_the_loop(bench: Bench, pipe: Any, options: Any, task: Any) -> None:
    """EMFILE when a task is to start here ends it `spawn-failed`; the next one succeeds."""
    scheduler, documents = bench.warm(**options), []
    scheduler.add_task(pvsched.Task(**task, fds={"x": pipe[0]}), documents.append)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(pipe[0])
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        bench.drain(scheduler)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert documents[0]["error"]["reason"] == "spawn-failed"
    assert bench.one(scheduler, "echo", 1)["data"] == 1
