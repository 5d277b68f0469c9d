"""The tasks' cgroups: `Scheduler(cgroup=PATH)`. What they are for is proven in C, in tests/c/test_cgroup.c."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pvsched
from pvsched.errors import SchedulerError


@pytest.fixture
def folder() -> Iterator[Path]:
    """A fresh folder of cgroup v2, which must be empty again at the end."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    at = next((fields[1] for fields in mounts if fields[2] == "cgroup2"), None)
    if at is None or not os.access(at, os.W_OK):
        pytest.skip("no cgroup v2 that we may write to")
    path = Path(at) / f"pvsched-test-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error.strerror}")
    yield path
    path.rmdir()


def test_each_program_has_a_cgroup_of_its_own(folder: Path) -> None:
    """A task's program runs in a cgroup below the folder, which is gone after it."""
    seen: list[Any] = []
    with pvsched.Scheduler(1, cgroup=str(folder)) as scheduler:
        scheduler.add_task(pvsched.Task("where", argv=["cat", "/proc/self/cgroup"]), seen.append)
        while scheduler.pending:
            scheduler.run(wait=5)
    assert f"0::/{folder.name}/pvs-" in seen[0]["output"]["stdout"]


def test_memory_is_a_limit_of_the_whole_tree(folder: Path) -> None:
    """`limits={"memory": ...}` is the cgroup's memory.max: pages that no process has mapped count, too."""
    try:
        (folder / "cgroup.subtree_control").write_text("+memory")
    except OSError as error:
        pytest.skip(f"lacks cgroup v2: no memory controller for {folder.parent}: {error.strerror}")
    file = Path("/dev/shm") / folder.name
    write = ["sh", "-c", f"exec head -c 67108864 /dev/zero >{file}"]
    seen: list[Any] = []
    try:
        with pvsched.Scheduler(1, cgroup=str(folder)) as scheduler:
            for limit in (32 << 20, 256 << 20):
                scheduler.add_task(
                    pvsched.Task("write", argv=write, limits={"memory": limit}, timeout=120), seen.append
                )
                while scheduler.pending:
                    scheduler.run(wait=5)
    finally:
        file.unlink(missing_ok=True)
    assert [document["exit"] for document in seen] == [{"signal": signal.SIGKILL}, {"code": 0}], seen


def test_what_is_no_cgroup_is_refused(tmp_path: Path) -> None:
    """A path that is no folder of cgroup v2 is a clear error, and nothing is left open."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SchedulerError) as caught:
        pvsched.Scheduler(1, cgroup=str(tmp_path))
    assert caught.value.code == "cgroup-failed"
    assert len(os.listdir("/proc/self/fd")) == before
