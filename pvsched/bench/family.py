"""What a family of processes weighs and how often it wakes, from /proc."""

from __future__ import annotations

import os


def descendants(pid: int) -> list[int]:
    """pid and all below it."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parents.setdefault(parent(int(name)), []).append(int(name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def marked(mark: str) -> list[int]:
    """All processes that were started with this text in their environment, whoever their parent is by now: our keeper
    is a grandchild whose parent has left, so that it is nobody's child here."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/environ", "rb") as environment:
                if name.isdigit() and mark.encode() in environment.read():
                    found.append(int(name))
        except OSError:
            continue
    return found


def parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def field(path: str, name: str) -> int:
    """The number behind `name:` in a file of /proc, 0 if the process has gone."""
    try:
        with open(path) as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
    except OSError:
        return 0


def weighed() -> bool:
    """Whether this kernel tells what a process weighs: CONFIG_PROC_PAGE_MONITOR. Without, all would seem to weigh 0."""
    return os.path.exists("/proc/self/smaps_rollup")


def pss(pids: list[int]) -> int:
    """Bytes of proportional set size of all of them: a page shared by two counts half for each."""
    return 1024 * sum(field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids)


def rss(pid: int) -> int:
    return 1024 * field(f"/proc/{pid}/status", "VmRSS")


def private(pids: list[int]) -> int:
    """Bytes that only they hold: what others share with them, and stop sharing, does not move this figure."""
    names = ("Private_Clean", "Private_Dirty")
    return 1024 * sum(field(f"/proc/{pid}/smaps_rollup", name) for pid in pids for name in names)


def wakeups(pids: list[int]) -> int:
    """How often their threads have been switched to or from, so far."""
    total = 0
    for pid in pids:
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for thread in threads:
            status = f"/proc/{pid}/task/{thread}/status"
            total += field(status, "voluntary_ctxt_switches") + field(status, "nonvoluntary_ctxt_switches")
    return total
