"""Which headers a build has read: the compiler writes them down (`-MD`), and none may be the host's.

A 32-bit extension that was compiled with the 64-bit host's `pyconfig.h` compiles well and crashes on the board.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from board.tools.progress import Failure


def check(tree: Path, allowed: Iterable[Path]) -> None:
    """Fail if anything that was compiled in `tree` has read a file that is not below one of the allowed folders."""
    places = [os.path.realpath(place) + os.sep for place in allowed]
    lists = sorted(tree.rglob("*.d"))
    if not lists:
        raise Failure(f"{tree}: nothing tells which headers were read")
    for file in lists:
        for name in read(file):
            path = os.path.realpath(tree / name)
            if not path.startswith(tuple(places)):
                raise Failure(f"{file.stem} was compiled with {path}, which is the host's")


def read(file: Path) -> Iterator[str]:
    """Give the names in one list: `object: file file \\`, in make's own quoting."""
    text = file.read_text().replace("\\\n", " ")
    for name in re.split(r"(?<!\\)\s+", text.split(": ", 1)[1].strip()):
        if name:
            yield name.replace("\\ ", " ")
