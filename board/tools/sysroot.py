"""Python's headers of a target's architecture, from Debian's packages; the host's own would have the wrong sizes."""

from __future__ import annotations

import shutil
from pathlib import Path

from board.tools import cache
from board.tools.debian import Archive
from board.tools.target import Target

DEBIAN = {"3.11": "bookworm", "3.13": "trixie"}  # the releases that have each Python


def headers(target: Target, python: str) -> Path:
    """Return the folder with `Python.h` of this version for the target's architecture."""
    archive = Archive(target.debian, release=DEBIAN[python])
    packages = archive.alone([f"libpython{python}-dev"])

    def make(folder: Path) -> None:
        archive.unpack(packages, folder)
        shutil.rmtree(folder / "usr" / "lib", ignore_errors=True)
        # Debian keeps pyconfig.h apart for each architecture, and chooses by macros among all.
        own = next((folder / "usr" / "include").glob(f"*-linux-*/python{python}/pyconfig.h"))
        own.replace(folder / "usr" / "include" / f"python{python}" / "pyconfig.h")

    key = cache.digest(Path(__file__), *(repr(package) for package in packages))
    return cache.entry(f"python{python}-{target.debian}", key, make) / "usr" / "include" / f"python{python}"
