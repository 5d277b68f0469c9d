"""cgroup v2: what limits a task, and ends it with all that it started, once `scheduler.cgroup` is set."""

from __future__ import annotations

import os

from pvsched.control.caller import cgroup_path, container_name
from pvsched.doctor.mounts import mounts
from pvsched.doctor.probe import BETTER, BOOT, FEATURE, HERE, KERNEL, NEEDED, CannotTell, Lacks, Probe

# Lines of the kernel's configuration, and the word of its command line where a distribution turns the controller off.
CONTROLLERS = {
    "memory": (("CONFIG_MEMCG=y",), "cgroup_enable=memory"),
    "pids": (("CONFIG_CGROUP_PIDS=y",), ""),
    "cpu": (("CONFIG_CGROUP_SCHED=y", "CONFIG_FAIR_GROUP_SCHED=y"), ""),
    "io": (
        (
            "CONFIG_BLK_CGROUP=y",
            "CONFIG_BLK_CGROUP_IOCOST=y for shares, io.weight (the scheduler BFQ has its own)",
            "CONFIG_BLK_DEV_THROTTLING=y for limits, io.max",
        ),
        "",
    ),
    "cpuset": (("CONFIG_CPUSETS=y",), ""),
}
OWN = "/proc/self/cgroup"
TABLE = "/proc/cgroups"
HANDED_ON = ((HERE, "have whoever made this container delegate it (systemd-nspawn, lxc: Delegate=yes in their unit)"),)
PURE = ((BOOT, "systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all"),)


def root() -> str:
    """Where cgroup v2 is mounted. Raises Lacks."""
    found = [mount.point for mount in mounts() if mount.kind == "cgroup2"]
    if not found:
        v1 = any(mount.kind == "cgroup" for mount in mounts())
        raise Lacks(
            "only cgroup v1 is mounted" if v1 else "not mounted",
            advice=PURE if v1 else ((BOOT, "mount -t cgroup2 cgroup2 /sys/fs/cgroup"), (KERNEL, "CONFIG_CGROUPS=y")),
        )
    return found[0]


def callers_known() -> bool:
    """Whether a process's cgroup tells who it is: in v2, or in a hierarchy of v1 that has a name. A kernel that has
    mounted neither since its boot names none, nor does one without cgroups.
    """
    try:
        with open(OWN, errors="surrogateescape") as file:
            text = file.read()
    except FileNotFoundError:
        return False
    return cgroup_path(text) is not None or container_name(text) is not None


def own() -> str:
    """The directory of this process's cgroup in v2."""
    with open(OWN) as file:
        path = next((line[3:].strip() for line in file if line.startswith("0::")), "/")
    return os.path.join(root(), path.lstrip("/"))


def version() -> str:
    try:
        where = root()
    except Lacks as lack:
        if callers_known():
            raise
        place = "/sys/fs/cgroup/unified" if any(mount.kind == "cgroup" for mount in mounts()) else "/sys/fs/cgroup"
        raise Lacks(
            lack.detail,
            cost="the daemon starts and answers nobody: its callers are known by their cgroup, and no process has one",
            advice=((BOOT, f"mkdir -p {place}; mount -t cgroup2 cgroup2 {place}"), (KERNEL, "CONFIG_CGROUPS=y")),
            role=NEEDED,
        ) from None
    if any(mount.kind == "cgroup" for mount in mounts()):
        cost = "controllers that v1 has taken are not in v2; crun refuses to start"
        raise Lacks(f"hybrid: v2 at {where}, beside v1", cost=cost, advice=PURE)
    return f"pure v2 at {where}"


def controller(name: str) -> str:
    with open(os.path.join(root(), "cgroup.controllers")) as file:
        there = file.read().split()
    if name in there:
        return "there"
    with open(TABLE) as file:
        v1_name = "blkio" if name == "io" else name
        line = next((words for words in map(str.split, file) if words[:1] == [v1_name]), [])
    if len(line) == 4 and line[1] != "0":
        raise Lacks("v1 has it", advice=PURE)
    if len(line) == 4 and line[3] == "0":
        word = CONTROLLERS[name][1] or f"without cgroup_disable={name}"
        raise Lacks("turned off at boot", advice=((BOOT, word),))
    if len(line) == 4:  # v2 has it, further up: we are in a container, or see a part of the tree alone
        raise Lacks("the kernel has it; it was not handed on to here", advice=HANDED_ON)
    raise Lacks("the kernel has it not")


def delegation() -> str:
    """A cgroup below our own is made and removed; the controller memory can be handed on to it."""
    here = own()
    made = os.path.join(here, f"pvsched-doctor-{os.getpid()}")
    try:
        os.mkdir(made)
    except PermissionError:
        raise Lacks(f"{here} is not ours to write") from None
    except OSError as problem:
        raise Lacks(f"{here}: {problem.strerror}") from None
    os.rmdir(made)
    if not os.access(os.path.join(here, "cgroup.subtree_control"), os.W_OK):
        raise Lacks(f"{here}: cgroup.subtree_control is not ours to write")
    with open(os.path.join(here, "cgroup.controllers")) as file:
        if "memory" not in file.read().split():
            raise Lacks(
                f"{here} has no controller memory to hand on",
                cost="with scheduler.cgroup a tree is killed as a whole, but its memory is not limited as a whole",
                advice=((HERE, "see cgroup-memory; if that is good: Delegate=yes in the unit"),),
            )
    return here


def kill() -> str:
    here = own()
    if os.path.exists(os.path.join(here, "cgroup.kill")):
        return "cgroup.kill"
    made = os.path.join(here, f"pvsched-doctor-{os.getpid()}")  # the root has no such file
    try:
        os.mkdir(made)
    except OSError:
        raise CannotTell("needs a cgroup that is ours to write") from None
    try:
        if os.path.exists(os.path.join(made, "cgroup.kill")):
            return "cgroup.kill"
    finally:
        os.rmdir(made)
    raise Lacks("cgroup.kill came with Linux 5.14")


def _controller(name: str, role: str, cost: str) -> Probe:
    advice = tuple((KERNEL, line) for line in CONTROLLERS[name][0])
    return Probe(f"cgroup-{name}", role, lambda: controller(name), cost, advice)


PROBES = (
    Probe(
        "cgroup-v2", BETTER, version,
        "no scheduler.cgroup: a task's memory limit is of address space, its tree found by parent, group and subreaper",
        ((KERNEL, "CONFIG_CGROUPS=y"), *PURE),
    ),
    _controller(
        "memory", BETTER, "no limit of the memory that a container uses, or, with scheduler.cgroup, a task's whole tree"
    ),
    _controller("pids", BETTER, "a fork bomb in a container is everybody's"),
    _controller("cpu", FEATURE, "containers cannot be given shares of the processor"),
    _controller("io", FEATURE, "containers can be given neither shares of the disk nor limits"),
    _controller("cpuset", FEATURE, "containers cannot be bound to processors"),
    Probe(
        "delegation", BETTER, delegation, 'scheduler.cgroup = "auto" cannot be used: tasks get no cgroups of their own',
        ((HERE, "run as root, or under systemd with Delegate=yes"),),
    ),
    Probe(
        "cgroup.kill", BETTER, kill, "a tree is killed process by process, with scheduler.cgroup too",
        ((KERNEL, "Linux 5.14 or later; no option"),),
    ),
)  # fmt: skip
