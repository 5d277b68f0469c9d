"""Everything that is made or downloaded: folders below `build/board`, named by a hash of what they were made from.

An entry is made under another name and renamed when it is whole: what was interrupted is never taken for made.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from board.tools.progress import Failure, say

ROOT = Path(__file__).resolve().parent.parent.parent


def home() -> Path:
    """Return the folder of everything: `$PVSCHED_BOARD_CACHE`, else `build/board` in the tree."""
    chosen = os.environ.get("PVSCHED_BOARD_CACHE")
    folder = Path(chosen).resolve() if chosen else ROOT / "build" / "board"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise Failure(
            str(refused), "a folder that you may write to: PVSCHED_BOARD_CACHE=/var/tmp/pvsched-board"
        ) from refused
    return folder


def digest(*parts: str | bytes | Path) -> str:
    """Return the hash of texts, bytes and files' contents: the key of what is made from them."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:16]


def digest_files(paths: Iterable[Path], base: Path) -> str:
    """Return the hash of many files: their names below `base` and their contents."""
    parts: list[str | Path] = []
    for path in sorted(paths):
        parts += [str(path.relative_to(base)), path]
    return digest(*parts)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of one kind of entry, so that two scripts do not make the same one; a dead holder holds nothing."""
    folder = home() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name.replace("/", "-")).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another script, which has {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entry(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `kind-key`, made by `make(folder)` if it is not there yet."""
    whole = home() / f"{kind}-{key}"
    if whole.exists():
        return whole
    with locked(kind):
        if whole.exists():
            return whole
        part = home() / f"{kind}-{key}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            make(part)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        part.rename(whole)
    return whole
