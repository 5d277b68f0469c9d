"""The cgroup of the daemon's tasks, where `scheduler.cgroup` asks for one.

A cgroup of v2 either holds processes or hands controllers on to those below it; the root alone does both (the kernel's
admin-guide/cgroup-v2, "No Internal Process Constraint"). So with `auto` the daemon and its keeper move down into a
leaf, `daemon`, and the tasks' cgroups are made in its neighbour, `tasks`. Main loop, at the start, once.
"""

from __future__ import annotations

import os

from pvsched.errors import PvschedError

WANTED = ("memory", "pids")  # what the tasks' cgroups are for; without them a tree is killed by its cgroup all the same


def folder_for_tasks(setting: str) -> str:
    """The folder of cgroup v2 for `Scheduler(cgroup=)`: the setting itself if it is a path, and for `auto` one below
    the daemon's own. Raises PvschedError (`cgroup-failed`) if `auto` cannot have one.
    """
    if setting != "auto":
        return setting
    try:
        return _below_our_own()
    except OSError as problem:
        where = f" ({problem.filename})" if problem.filename else ""
        raise _cannot(f"{problem.strerror}{where}") from None


def _below_our_own() -> str:
    path = cgroup_of("self")
    base = os.path.join(mount_point(), path.lstrip("/")).rstrip("/")
    tasks = os.path.join(base, "tasks")
    if not os.path.exists(os.path.join(base, "cgroup.type")):  # only the root has none; others may share it with us
        tasks = os.path.join(base, "pvsched")
    elif cgroup_of(str(os.getppid())) == path:
        raise _cannot(f"{path} also holds who started this daemon: it is not the daemon's alone")
    else:
        _move_down(base, os.path.join(base, "daemon"))
    os.makedirs(tasks, exist_ok=True)
    _hand_on(base)
    _hand_on(tasks)
    return tasks


def _move_down(base: str, leaf: str) -> None:
    """Move all processes of `base`: the daemon, its keeper, and what the service manager started beside them."""
    os.makedirs(leaf, exist_ok=True)
    for pid in _read(os.path.join(base, "cgroup.procs")).split():
        try:
            _write(os.path.join(leaf, "cgroup.procs"), pid)
        except ProcessLookupError:
            pass  # it has ended


def _hand_on(folder: str) -> None:
    there = _read(os.path.join(folder, "cgroup.controllers")).split()
    for name in WANTED:
        if name in there:
            _write(os.path.join(folder, "cgroup.subtree_control"), f"+{name}")


def mount_point() -> str:
    """Where cgroup v2 is mounted. Raises PvschedError if it is not."""
    for line in _read("/proc/self/mounts").splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return fields[1]
    raise _cannot("cgroup v2 is not mounted")


def cgroup_of(process: str) -> str:
    """The path of a process in cgroup v2, from its root. "/" where it is in none, or does not exist for us."""
    try:
        lines = _read(f"/proc/{process}/cgroup").splitlines()
    except FileNotFoundError:
        return "/"
    return next((line[3:] for line in lines if line.startswith("0::")), "/")


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _cannot(why: str) -> PvschedError:
    hint = "delegate a cgroup to the daemon (systemd: Delegate=yes), give scheduler.cgroup a folder, or leave it empty"
    return PvschedError(f"no cgroup for tasks: {why}", code="cgroup-failed", hint=hint)
