"""What a test must not leave behind: descriptors, zombies, living descendants.

In a conftest.py: `mark_descendants()` once; around each test `before = Snapshot.take()`, `assert not before.leaks()`.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from dataclasses import dataclass

# A keeper is reparented away from us, so parents tell nothing. A limit is inherited by fork and exec alike, and this
# one has had no effect since Linux 2.4: its value, our pid, marks every descendant.
_RLIMIT_LOCKS = 10
PATIENCE = 5.0  # seconds for what is being killed to be gone


def mark_descendants() -> None:
    """Mark this process, and so all that it starts from now on."""
    hard = resource.getrlimit(_RLIMIT_LOCKS)[1]
    resource.setrlimit(_RLIMIT_LOCKS, (os.getpid(), hard))


def descendants() -> dict[int, str]:
    """Return the living and dead marked processes but this one: pid to what it runs."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and _is_marked(name) and (what := _describe(name)):
            found[int(name)] = what
    return found


def _is_marked(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/limits") as limits:
            line = next((line for line in limits if line.startswith("Max file locks")), "")
    except OSError:
        return False
    return line.split()[3:4] == [str(os.getpid())]


def _describe(pid: str) -> str:
    """Return what the process runs, "" if it is gone, or dead and no longer ours to wait for."""
    try:
        with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/cmdline") as cmdline:
            state, parent = stat.read().rpartition(")")[2].split()[:2]
            if state in "ZX" and int(parent) != os.getpid() and not _is_marked(parent):
                return ""  # a dead keeper, whose parent is init: some take their time
            return f"{state} {cmdline.read().replace(chr(0), ' ')[:120]}"
    except OSError:
        return ""


def descriptors() -> dict[int, str]:
    """Return the open descriptors of this process and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # the one that listed
    return found


@dataclass(frozen=True)
class Snapshot:
    """What was there before the test."""

    fds: dict[int, str]
    pids: dict[int, str]

    @classmethod
    def take(cls) -> Snapshot:
        return cls(descriptors(), descendants())

    def leaks(self, patience: float = PATIENCE) -> list[str]:
        """Return what is there now and was not before, after waiting some seconds for what is on its way out."""
        until = time.monotonic() + patience
        pause = 0.001
        while (found := self._found()) and time.monotonic() < until:
            time.sleep(pause)
            pause = min(pause * 2, 0.2)
            if pause > 0.1:
                gc.collect()  # what a failed test's frames hold is no leak of ours
        return found

    def _found(self) -> list[str]:
        fds = descriptors()
        leaked = [f"descriptor {fd} -> {fds[fd]}" for fd in sorted(fds.keys() - self.fds.keys())]
        lost = [f"descriptor {fd} -> {self.fds[fd]} was closed" for fd in sorted(self.fds.keys() - fds.keys())]
        pids = descendants()
        alive = [f"process {pid}: {pids[pid]}" for pid in sorted(pids.keys() - self.pids.keys())]
        return leaked + lost + alive
