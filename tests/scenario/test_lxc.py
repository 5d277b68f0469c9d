"""A real LXC container, started, watched and stopped through `exec` tasks of the scheduler.

It runs where LXC can: in the guests of `board/qemu`, which have a cgroup v2 of their own, and on machines like them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pvsched
from tests.patience import patience

SECONDS = patience(20)
NAME = "watched"
INIT = """#!/bin/busybox sh
/bin/busybox sh -c 'while :; do /bin/busybox sleep 1000; done' &
echo "$$" >/state/pid
while [ ! -e /state/end ]; do
  echo beat >>/state/beats
  /bin/busybox sleep 0.1
done
exit 0
"""
CONFIG = """lxc.rootfs.path = dir:{root}
lxc.rootfs.options = ro
lxc.uts.name = watched
lxc.net.0.type = empty
lxc.mount.auto = proc:mixed sys:ro
lxc.mount.entry = {state} state none bind,rw 0 0
lxc.apparmor.profile = unconfined
lxc.pty.max = 1
lxc.tty.max = 0
lxc.console.path = none
lxc.init.cmd = /init
"""


def lacking() -> str | None:
    """Return what this machine lacks for a container, or None."""
    if os.geteuid() != 0:
        return "LXC: it needs root here"
    for program in ("lxc-start", "lxc-stop", "lxc-wait", "lxc-info"):
        if shutil.which(program) is None:
            return f"LXC: {program} is not installed"
    busybox = shutil.which("busybox")
    if busybox is None or b"/ld-linux" in Path(busybox).read_bytes()[:4096]:
        return "LXC: its container needs a static busybox"
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    writable = [fields[1] for fields in mounts if fields[2] == "cgroup2" and "rw" in fields[3].split(",")]
    return None if writable else "LXC: it needs a cgroup v2 that is writable"


class Container:
    """One container's folder, and the commands of LXC that a scheduler runs for it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.state, self.path = folder / "root", folder / "state", folder / "lxc"
        for part in (*(self.root / name for name in ("bin", "proc", "sys", "dev", "state")), self.state, self.path):
            part.mkdir(parents=True)
        shutil.copy(str(shutil.which("busybox")), self.root / "bin" / "busybox")
        (self.root / "init").write_text(INIT)
        (self.root / "init").chmod(0o755)
        self.config = folder / "config"
        self.config.write_text(CONFIG.format(root=self.root, state=self.state))

    def task(self, program: str, *options: str, **more: Any) -> pvsched.Task:
        """Return a task that runs one of LXC's programs on this container."""
        argv = [program, "-P", str(self.path), "-n", NAME, *options]
        return pvsched.Task(program, argv=argv, executor="exec", timeout=SECONDS, **more)

    def start(self, *options: str, **more: Any) -> pvsched.Task:
        """Return a task that starts it."""
        return self.task("lxc-start", "-f", str(self.config), *options, **more)

    def is_running(self) -> bool:
        """Ask LXC itself."""
        asked = ["lxc-info", "-P", str(self.path), "-n", NAME, "-s", "-H"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "RUNNING"

    def beats(self) -> int:
        """Return how often its init has told that it lives."""
        file = self.state / "beats"
        return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """One that does not run yet; after the test it does not run any more, and no process is left in its cgroups.

    The empty cgroups of a container whose lxc-start was killed stay: LXC takes other names then. They are removed here.
    """
    lack = lacking()
    if lack:
        pytest.skip(f"lacks {lack}")
    made = Container(tmp_path)
    yield made
    left = made.is_running()
    if left:
        subprocess.run(["lxc-stop", "-P", str(made.path), "-n", NAME, "-k"], check=False)
    assert not left, "the container was left running"
    cgroups = sorted(Path("/sys/fs/cgroup").glob(f"**/lxc.*.{NAME}*/**/"), reverse=True)
    alive = [cgroup for cgroup in cgroups if (cgroup / "cgroup.procs").read_text()]
    for cgroup in cgroups:
        with contextlib.suppress(OSError):
            cgroup.rmdir()
    assert alive == []


def until(scheduler: pvsched.Scheduler, true: Callable[[], Any]) -> None:
    """Let the main loop turn until something is true."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        scheduler.run(wait=0.05)


def ended(scheduler: pvsched.Scheduler, task: pvsched.Task) -> dict[str, Any]:
    """Run a task to its end; return its document."""
    documents: list[Any] = []
    scheduler.add_task(task, documents.append)
    until(scheduler, lambda: documents)
    return documents[0]


def test_a_container_is_started_watched_and_stopped(container: Container) -> None:
    """Three tasks: one starts it and ends, one waits for its end, one stops it; the main loop never waits."""
    watched: list[Any] = []
    with pvsched.Scheduler(workers=2) as scheduler:
        started = ended(scheduler, container.start("-d", survive=True))
        assert started["outcome"] == "succeeded", started
        assert container.is_running()
        scheduler.add_task(container.task("lxc-wait", "-s", "STOPPED"), watched.append)
        until(scheduler, lambda: container.beats() > 2)
        assert not watched
        stopped = ended(scheduler, container.task("lxc-stop", "-k"))
        assert stopped["outcome"] == "succeeded", stopped
        until(scheduler, lambda: watched)
    assert watched[0]["outcome"] == "succeeded", watched
    assert not container.is_running()


def test_the_task_of_a_container_in_the_foreground_ends_with_it(container: Container) -> None:
    """`lxc-start -F` as a task: it lasts as long as the container runs, and ends with it."""
    documents: list[Any] = []
    with pvsched.Scheduler(workers=1) as scheduler:
        scheduler.add_task(container.start("-F"), documents.append)
        until(scheduler, lambda: container.beats() > 2)
        assert not documents
        (container.state / "end").touch()
        until(scheduler, lambda: documents)
        assert documents[0]["outcome"] == "succeeded", documents
        assert not container.is_running()


def test_a_cancelled_container_is_dead_with_all_that_ran_in_it(container: Container) -> None:
    """Cancelling the foreground task kills the tree: lxc-start, the container's init and its children."""
    documents: list[Any] = []
    with pvsched.Scheduler(workers=1) as scheduler:
        number = scheduler.add_task(container.start("-F"), documents.append)
        until(scheduler, lambda: container.beats() > 2)
        assert scheduler.cancel(number)
        until(scheduler, lambda: documents)
        assert documents[0]["outcome"] == "cancelled", documents
        seen = container.beats()
        time.sleep(0.5)
        assert container.beats() == seen
        assert not container.is_running()
