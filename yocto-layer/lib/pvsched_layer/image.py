"""What a root file system tells of cgroup v2: whether the init system will mount it, and alone."""

from __future__ import annotations

import os

# Process 1 that mounts cgroup v2 by itself: systemd, and Pantavisor (its cgroup.c).
INITS = ("lib/systemd/systemd", "usr/lib/systemd/systemd", "bin/pantavisor", "usr/bin/pantavisor")


def read(path: str) -> str:
    """Return a file's text; nothing if it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def mounts_cgroup2(root: str) -> bool:
    """Tell whether systemd, Pantavisor, /etc/fstab or a start script of the image mounts cgroup v2."""
    if any(os.path.exists(os.path.join(root, name)) for name in INITS):
        return True
    fields = [line.split() for line in read(os.path.join(root, "etc/fstab")).splitlines()]
    if any(len(words) > 2 and not words[0].startswith("#") and words[2] == "cgroup2" for words in fields):
        return True
    scripts = os.path.join(root, "etc/init.d")
    names = sorted(os.listdir(scripts)) if os.path.isdir(scripts) else []
    return any("cgroup2" in read(os.path.join(scripts, name)) for name in names)


def findings(root: str, cmdline: str) -> list[str]:
    """Return a line for each thing that keeps cgroup v2 from this image; `cmdline` is the kernel's, as far as known."""
    found = []
    if not mounts_cgroup2(root):
        found.append(
            "nothing mounts cgroup v2, and callers of the control socket are known by their cgroup: without, the daemon"
            " answers nobody. Use systemd, or add to /etc/fstab: cgroup2 /sys/fs/cgroup cgroup2 defaults 0 0"
        )
    for word in cmdline.split():
        name, _, value = word.partition("=")
        if name == "systemd.unified_cgroup_hierarchy" and value in ("0", "no", "false"):
            found.append(f"the kernel's command line has {word}: cgroup v1, where scheduler.cgroup cannot be set")
        if name == "cgroup_disable":
            found.append(f"the kernel's command line has {word}: no limits by these controllers")
    return found
