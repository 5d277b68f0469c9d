"""Reliability row C2, power loss: every state that the order of writes allows a disk to be in after a crash.

The operations of a real PUT are noted. A disk may have carried out any part of what was not yet flushed: of a file's
data nothing, a beginning, zeros or all; of the directory's changes any selection. All these states are made and judged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from pvsched.objects.model import rotten_name, valid_name
from tests.unit.objects.lent import put, put_data, sha_of

CONTENT = b"the content of an object"
ROTTEN = b"the content of an obj\0\0t"
SHA = sha_of(CONTENT)
Operation = tuple[str, ...]
Disk = dict[str, bytes]


def noted(monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """Lets the operations of this process on files be noted from now on."""
    operations: list[Operation] = []
    names: dict[int, str] = {}
    real: dict[str, Callable[..., Any]] = {n: getattr(os, n) for n in ("open", "write", "fsync", "rename", "unlink")}

    def note_open(path: str, flags: int, *rest: Any, **more: Any) -> int:
        fd: int = real["open"](path, flags, *rest, **more)
        if flags & os.O_CREAT:
            names[fd] = path
            operations.append(("create", path))
        return fd

    def note_write(fd: int, data: bytes) -> int:
        if fd in names:
            operations.append(("write", names[fd]))
        return int(real["write"](fd, data))

    def note_fsync(fd: int) -> None:
        operations.append(("fsync", names.get(fd, ".")))
        real["fsync"](fd)

    def note_rename(old: str, new: str, **more: Any) -> None:
        operations.append(("rename", old, new))
        real["rename"](old, new, **more)

    def note_unlink(path: str, **more: Any) -> None:
        real["unlink"](path, **more)
        operations.append(("unlink", path))

    for name, note in (
        ("open", note_open),
        ("write", note_write),
        ("fsync", note_fsync),
        ("rename", note_rename),
        ("unlink", note_unlink),
    ):
        monkeypatch.setattr(os, name, note)
    return operations


def data_states(flushed: bool, written: bool) -> list[bytes]:
    """What a file may hold after a crash."""
    if flushed:
        return [CONTENT]
    return [b"", CONTENT[:10], bytes(len(CONTENT)), CONTENT] if written else [b""]


def crash_states(operations: list[Operation], before: Disk) -> Iterator[Disk]:
    """Every content of the disk that a crash after the last of `operations` may leave."""
    safe = max((at for at, operation in enumerate(operations) if operation == ("fsync", ".")), default=-1)
    changes = [
        (at, operation) for at, operation in enumerate(operations) if operation[0] in ("create", "rename", "unlink")
    ]
    open_changes = [at for at, _ in changes if at > safe]
    stage = next((operation[1] for operation in operations if operation[0] == "create"), "")
    contents = data_states(("fsync", stage) in operations, ("write", stage) in operations)
    for content, happened in product(contents, product((False, True), repeat=len(open_changes))):
        done = dict(zip(open_changes, happened, strict=True))
        disk: dict[str, bytes] = dict(before)
        for at, operation in changes:
            if done.get(at, True):
                change(disk, operation, content, stage)
        yield disk


def change(disk: Disk, operation: Operation, content: bytes, stage: str) -> None:
    """Carries out one change of the directory; what it needs may not have happened."""
    if operation[0] == "create":
        disk[operation[1]] = content
    elif operation[0] == "unlink":
        disk.pop(operation[1], None)
    elif operation[1] == stage:
        disk.pop(stage, None)
        disk[operation[2]] = content
    elif operation[1] in disk:
        disk[operation[2]] = disk.pop(operation[1])


def bad_states(operations: list[Operation], before: Disk) -> list[tuple[int, Disk]]:
    """States that must not be: a name with wrong content that it did not have before, or an answer that was lost."""
    bad = []
    for end in range(len(operations) + 1):
        for disk in crash_states(operations[:end], before):
            mixed = any(
                valid_name(name) and held != CONTENT and held != before.get(name) for name, held in disk.items()
            )
            lost = end == len(operations) and disk.get(SHA) != CONTENT
            if mixed or lost:
                bad.append((end, disk))
    return bad


@pytest.mark.parametrize("before", [{}, {SHA: ROTTEN}], ids=["new", "repair"])
def test_no_crash_shows_a_mix_or_loses_what_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Disk
) -> None:
    """At each point of the PUT, in each state a disk may be in."""
    for name, held in before.items():
        (tmp_path / name).write_bytes(held)
    with monkeypatch.context() as patched:
        operations = noted(patched)
        assert put(tmp_path, CONTENT, put_data(SHA, len(CONTENT)))[0]["result"] == "stored"
    assert (("rename", SHA, rotten_name(SHA)) in operations) == bool(before)
    assert bad_states(operations, before) == []


def test_each_step_of_the_order_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the flush of the data, without that of the directory, or renamed too early, a bad state appears."""
    with monkeypatch.context() as patched:
        operations = noted(patched)
        put(tmp_path, CONTENT, put_data(SHA, len(CONTENT)))
    stage = put_data(SHA, 0)["stage"]
    assert operations == [
        ("create", stage),
        ("write", stage),
        ("fsync", stage),
        ("rename", stage, SHA),
        ("fsync", "."),
    ]
    for missing in (("fsync", stage), ("fsync", ".")):
        assert bad_states([operation for operation in operations if operation != missing], {}), missing
    assert bad_states([operations[at] for at in (0, 1, 3, 2, 4)], {})
