"""A layer over a guest's root file system that makes it a board with systemd, and with what `python3 -m venv` needs."""

from __future__ import annotations

from pathlib import Path

from board.tools import cache, host, rootfs
from board.tools.debian import Archive
from board.tools.machine import Machine
from board.tools.progress import say

PACKAGES = ("systemd", "python3-venv")


def systemd(machine: Machine) -> Path:
    """Return the folder of the layer; `start-systemd` in board/guest boots what lies on it."""
    archive = Archive(machine.arch)
    there = {package.name for package in archive.closure(rootfs.PACKAGES)}
    packages = [package for package in archive.closure(PACKAGES) if package.name not in there]

    def make(folder: Path) -> None:
        host.need({"dpkg-deb": "dpkg"})
        say(f"unpacking systemd and {len(packages) - 1} more packages for {machine.arch}")
        for name in ("bin", "sbin", "lib"):
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")
        rootfs.unpack(archive, packages, folder)

    return cache.entry(f"systemd-{machine.arch}", cache.digest(Path(__file__), *(repr(p) for p in packages)), make)
