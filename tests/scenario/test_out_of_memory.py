"""Row B4 of the fault table: the kernel's OOM killer takes a worker, a hundred times; each costs its task alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pvsched

TIMES = 100
LIMIT = 8 << 20
REGISTRY = pvsched.Registry()


@REGISTRY.task("grow", timeout=60)
def grow(data: Any, context: pvsched.Context) -> Any:
    """Go into the cgroup, and take more than it has."""
    Path(data, "cgroup.procs").write_text("0")
    return len(bytearray(os.urandom(1 << 20) * (4 * LIMIT >> 20)))


@REGISTRY.task("echo", timeout=60)
def echo(data: Any, context: pvsched.Context) -> Any:
    """Give back what came."""
    return data


def hierarchies() -> Iterator[tuple[Path, str, str]]:
    """Where memory may be limited, the name of the file that does it, and of the one that counts kills."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, at, kind, options = line.split()[:4]
        if kind == "cgroup" and "memory" in options.split(","):
            yield Path(at), "memory.limit_in_bytes", "memory.oom_control"
        elif kind == "cgroup2" and "memory" in Path(at, "cgroup.controllers").read_text().split():
            yield Path(at), "memory.max", "memory.events"


@pytest.fixture
def small() -> Iterator[tuple[Path, Path]]:
    """A cgroup with little memory, and the file that counts the kills in it."""
    for root, limit, counts in hierarchies():
        folder = root / f"pvsched-test-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / limit).write_text(str(LIMIT))
        except OSError:
            continue
        if (folder / "memory.swap.max").exists():
            (folder / "memory.swap.max").write_text("0")
        yield folder, folder / counts
        folder.rmdir()
        return
    pytest.skip("lacks OOM killer: no cgroup here whose memory we may limit")


def kills(counts: Path) -> int:
    """Return how many the kernel has killed there."""
    return next(int(line.split()[1]) for line in counts.read_text().splitlines() if line.startswith("oom_kill "))


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("executor", ["pool", "fork"])
def test_a_worker_that_the_kernel_kills_for_its_memory_costs_its_task_alone(
    small: tuple[Path, Path], executor: Any
) -> None:
    """B4: each is `failed: worker-died` with signal 9, and what runs beside it and after it succeeds."""
    folder, counts = small
    grown: list[dict[str, Any]] = []
    others: list[str] = []
    with pvsched.Scheduler(workers=2, executor=executor, registry=REGISTRY) as scheduler:
        for number in range(TIMES):
            scheduler.add_task(pvsched.Task("grow", str(folder)), grown.append)
            scheduler.add_task(pvsched.Task("echo", number), lambda document: others.append(document["outcome"]))
            while scheduler.pending:
                scheduler.run(wait=1.0)
    assert others == ["succeeded"] * TIMES
    assert [document["error"]["reason"] for document in grown] == ["worker-died"] * TIMES
    assert {document["exit"]["signal"] for document in grown} == {9}
    assert kills(counts) == TIMES
