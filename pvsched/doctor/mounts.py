"""The mounts that this process sees, from /proc/self/mountinfo."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

MOUNTINFO = "/proc/self/mountinfo"
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    device: str  # "MAJOR:MINOR"
    point: str
    kind: str  # ext4, tmpfs, cgroup2, ...
    options: frozenset[str]  # those of the mount and those of the file system


def mounts(text: str | None = None) -> list[Mount]:
    """All of them, in the order in which they were made. Raises OSError without /proc."""
    if text is None:
        with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        left, right = before.split(), after.split()
        if len(left) >= 6 and len(right) >= 2:
            options = frozenset(left[5].split(",") + (right[2].split(",") if len(right) > 2 else []))
            found.append(Mount(left[2], _OCTAL.sub(lambda code: chr(int(code[1], 8)), left[4]), right[0], options))
    return found


def mount_of(path: str, found: list[Mount] | None = None) -> Mount | None:
    """The mount that holds `path`: of those at the longest leading part of it, the last, which covers the others."""
    best = None
    path = os.path.realpath(path)
    for mount in mounts() if found is None else found:
        point = mount.point.rstrip("/")
        inside = path == point or path.startswith(point + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best
