"""The kernel options that pvsched has a use for: which must be there, and what each missing one costs."""

from __future__ import annotations

# Without these it does not run.
NEEDED = {
    "EPOLL": "the main loop waits with epoll",
    "EVENTFD": "the core wakes the loop through an eventfd",
    "SIGNALFD": "signals are read from a descriptor",
    "TIMERFD": "deadlines are a timer's descriptor",
    "UNIX": "the control socket is a Unix socket",
    "PROC_FS": "process trees are read from /proc",
    "SHMEM": "/run is a tmpfs",
    "TMPFS": "/run is a tmpfs",
}

# Without these something is weaker.
WANTED = {
    "CGROUPS": "a task's processes are found by its session alone; one that leaves it can outlive a killed keeper",
    "CGROUP_PIDS": "no limit on the processes of a container",
    "MEMCG": "no limit on the memory of a container",
    "CGROUP_SCHED": "no weight of a container's processor time",
    "BLK_CGROUP": "no weight of a container's input and output",
    "CPUSETS": "containers cannot be kept to some processors",
    "PROC_CHILDREN": "the whole of /proc is read to find a task's descendants",
    "MULTIUSER": "callers of the control socket cannot be told apart",
}

# What containers need besides.
CONTAINERS = {
    "NAMESPACES": "no containers",
    "PID_NS": "no containers",
    "UTS_NS": "no containers",
    "IPC_NS": "no containers",
    "NET_NS": "no containers with a network of their own",
    "OVERLAY_FS": "no container that writes to its own root",
    "SQUASHFS": "no container from a squashfs image",
    "BLK_DEV_LOOP": "no container from an image file",
}


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
        if option not in have
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
