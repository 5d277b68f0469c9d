"""The kernel options that pvsched has a use for: which must be there, and what each missing one costs."""

from __future__ import annotations

# Without these it does not run, or answers nobody.
NEEDED = {
    "EPOLL": "the main loop waits with it",
    "EVENTFD": "the core wakes the loop through it",
    "SIGNALFD": "signals are read from a descriptor",
    "TIMERFD": "deadlines are a descriptor",
    "UNIX": "the control socket is one",
    "PROC_FS": "trees of processes are found in it",
    "CGROUPS": "callers of the control socket are known by their cgroup: without, nobody is answered",
}

# Without these something is weaker.
WANTED = {
    "MEMCG": "no limit of the memory that a container uses, or, with `scheduler.cgroup`, a task's whole tree",
    "CGROUP_PIDS": "a fork bomb in a container is everybody's",
    "PROC_CHILDREN": "all of /proc is read to find what a task has started",
    "TMPFS": "nothing keeps /run in memory, where the socket is",
    "MEMFD_CREATE": "files without a name in /dev/shm and /tmp carry what workers share",
}

# What containers need besides.
CONTAINERS = {
    "NAMESPACES": "no containers",
    "PID_NS": "no containers",
    "UTS_NS": "no containers",
    "IPC_NS": "no containers",
    "NET_NS": "no containers",
    "OVERLAY_FS": "containers cannot have a writable layer over a read-only image",
    "SQUASHFS": "images of containers cannot be mounted",
    "SQUASHFS_XZ": "images of containers cannot be mounted, if they are packed by xz",
    "BLK_DEV_LOOP": "a file cannot be mounted: no squashfs images",
    "CGROUP_SCHED": "no `CONFIG_FAIR_GROUP_SCHED`, which depends on it",
    "FAIR_GROUP_SCHED": "containers cannot be given shares of the processor",
    "BLK_CGROUP": "containers can be given neither shares of the disk nor limits",
    "BLK_CGROUP_IOCOST": "containers cannot be given shares of the disk (`io.weight`), unless its scheduler is BFQ",
    "BLK_DEV_THROTTLING": "containers cannot be limited in their use of the disk (`io.max`)",
    "CPUSETS": "containers cannot be bound to processors",
}

# What does the same as an option, and is enough in its place.
INSTEAD = {"BLK_CGROUP_IOCOST": "BFQ_GROUP_IOSCHED"}


def parse(text: str) -> set[str]:
    """Return the options that a kernel's .config turns on, built in or as a module, without CONFIG_."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line[len("CONFIG_") :].split("=", 1) for line in lines if line.startswith("CONFIG_") and "=" in line)
    return {name for name, value in pairs if value in ("y", "m")}


def findings(text: str, containers: bool = True) -> list[str]:
    """Return a line for each option that the .config in `text` lacks, the needed ones first."""
    have = parse(text)
    groups = [("needed", NEEDED), ("wanted", WANTED)]
    if containers:
        groups.append(("wanted by containers", CONTAINERS))
    return [
        f"CONFIG_{option} is {kind} and not set: {why}"
        for kind, options in groups
        for option, why in options.items()
        if option not in have and INSTEAD.get(option) not in have
    ]


def fragment() -> str:
    """Return the kernel fragment with all of them: recipes-kernel/linux/files/pvsched.cfg."""
    parts = [
        ("Without these pvsched does not run.", NEEDED),
        ("Without these something is weaker.", WANTED),
        ("Containers.", CONTAINERS),
    ]
    lines = ["# Made by lib/pvsched_layer/kernel.py; tests/board/test_layer.py compares."]
    for title, options in parts:
        lines += ["", f"# {title}", *(f"CONFIG_{option}=y" for option in options)]
    return "\n".join(lines) + "\n"


def table() -> str:
    """Return the Markdown table of them all: README.md has it."""
    lines = ["| option | without it |", "|---|---|"]
    for title, options in (("needed", NEEDED), ("wanted", WANTED), ("for containers", CONTAINERS)):
        lines += [f"| `CONFIG_{option}` ({title}) | {why} |" for option, why in options.items()]
    return "\n".join(lines) + "\n"
