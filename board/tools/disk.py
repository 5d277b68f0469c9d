"""A disk of a guest: a sparse file with ext4 and its journal, looked into without mounting it and without root."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from board.tools import host
from board.tools.progress import Failure

COMMANDS = {"mke2fs": "e2fsprogs", "e2fsck": "e2fsprogs", "debugfs": "e2fsprogs"}
LIMIT = 120.0
BLOCK = 4096
ENVIRONMENT = {**os.environ, "PATH": host.PATH, "LC_ALL": "C"}
MENDED = 1  # the highest status of e2fsck -p that is no damage: it replayed the journal, freed orphans, counted


def make(path: Path, size: int, tail: int = 0) -> None:
    """Make a disk of `size` bytes, the last `tail` of which are behind the file system."""
    host.need(COMMANDS)
    with path.open("wb") as file:
        file.truncate(size)
    # Nothing is left for the kernel to fill in later: it would write on its own behind the first mount.
    options = ["-q", "-F", "-b", str(BLOCK), "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", "-m", "0"]
    host.checked(["mke2fs", "-t", "ext4", *options, str(path), str((size - tail) // BLOCK)], LIMIT, ENVIRONMENT)


def copy(old: Path, new: Path) -> None:
    """Copy a disk; holes stay holes."""
    host.checked(["cp", "--sparse=always", "--reflink=auto", str(old), str(new)], LIMIT)


def mend(path: Path) -> str | None:
    """Replay the journal and look through the file system; return what e2fsck says if it is damaged."""
    done = host.run(["e2fsck", "-f", "-p", str(path)], LIMIT, ENVIRONMENT)
    return None if done.returncode <= MENDED else done.stdout.strip()


def files(path: Path, folder: str) -> dict[str, tuple[int, str]]:
    """Return the plain files of a folder on a mended disk: name -> size and SHA-256. None where there is no folder."""
    with tempfile.TemporaryDirectory(prefix="pvsched-disk-") as place:
        said = host.checked(["debugfs", "-R", f"rdump {folder} {place}", str(path)], LIMIT, ENVIRONMENT)
        found = Path(place) / Path(folder).name
        if not found.is_dir():
            if "File not found" in said:
                return {}
            raise Failure(f"debugfs cannot read {folder} of {path}: {host.last_line(said)}")
        return {file.name: (file.stat().st_size, sha_of(file)) for file in found.iterdir() if file.is_file()}


def sha_of(file: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
