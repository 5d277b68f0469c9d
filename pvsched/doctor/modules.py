"""What the running kernel can do once a module is loaded."""

from __future__ import annotations

import os

ROOTS_PLACES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")


def loadable(name: str, root: str = "/lib/modules") -> bool:
    """Whether there is a module of that name for the running kernel, or it is built in."""
    directory = os.path.join(root, os.uname().release)
    wanted = f"/{name}.ko"
    for listing in ("modules.builtin", "modules.dep"):
        try:
            with open(os.path.join(directory, listing), encoding="utf-8", errors="replace") as file:
                if any(wanted in line.partition(":")[0] for line in file):
                    return True
        except OSError:
            continue
    return False


def file_system(name: str) -> bool:
    """Whether the kernel knows this file system now."""
    with open("/proc/filesystems") as file:
        return any(line.split()[-1:] == [name] for line in file)


def driver(name: str) -> bool:
    """Whether /proc/devices names it: `loop`, `device-mapper`, ..."""
    with open("/proc/devices") as file:
        return any(line.split()[1:2] == [name] for line in file)


def program(name: str) -> str:
    """The path of a program in PATH or where root's are; "" if there is none."""
    for place in (*os.environ.get("PATH", "").split(":"), *ROOTS_PLACES):
        path = os.path.join(place, name)
        if place and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return ""
