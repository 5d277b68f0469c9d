"""What a guest wrote to its disk, and what a power cut would have left of it.

QEMU's `blklogwrites` keeps every write and flush in the order in which the guest asked for them (the format is that of
Linux' dm-log-writes). A disk may forget what was written after its last flush, and nothing else. So the state after a
cut at some entry is: all writes before the last flush, and of each later one everything, nothing, or some of its blocks
of 4 KiB. No smaller parts: flash and today's disks program pages of that size or larger, and ext4 relies on it (half a
superblock is no file system).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAGIC, VERSION = 0x6A736677736872, 1
SUPER = struct.Struct("<QQQI")  # magic, version, entries (stale after a kill), size of a sector
HEADER = struct.Struct("<QQQQ")  # first sector, sectors, flags, length of what is beside a discard
FLUSH, FUA, DISCARD = 1, 2, 4
KNOWN = 0xF
ATOM = 4096  # bytes that a disk writes all or not at all


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of the guest: `length` bytes for `offset` of the disk, which are at `data` in the log's file."""

    offset: int
    length: int
    flags: int
    data: int

    @property
    def flushes(self) -> bool:
        """Tell whether all writes before this one are safe from here on."""
        return bool(self.flags & FLUSH)


class Log:
    """The file that `blklogwrites` left, whole entries only: the last one may be cut off, as the guest was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = list(read(path))

    def flushed(self, end: int) -> int:
        """Return how many of the first `end` entries a disk must have kept: those up to the last flush among them."""
        return next((number + 1 for number in reversed(range(end)) if self.entries[number].flushes), 0)

    def unflushed(self, end: int) -> list[Entry]:
        """Return the writes among the first `end` entries that a disk may have lost."""
        return [entry for entry in self.entries[self.flushed(end) : end] if entry.length]

    def inside(self, end: int, offset: int, length: int) -> Iterator[bytes]:
        """Give the contents of the writes among the first `end` entries that lie within a region of the disk."""
        with self.path.open("rb") as log:
            for entry in self.entries[:end]:
                if entry.length and offset <= entry.offset and entry.offset + entry.length <= offset + length:
                    log.seek(entry.data)
                    yield log.read(entry.length)

    def apply(self, disk: Path, parts: Sequence[tuple[Entry, int, int]]) -> None:
        """Write parts of entries (from byte, to byte) to a disk's file, in their order."""
        with self.path.open("rb") as log, disk.open("r+b") as file:
            for entry, begin, end in parts:
                log.seek(entry.data + begin)
                file.seek(entry.offset + begin)
                file.write(log.read(end - begin))

    def cut(self, disk: Path, end: int, chance: random.Random) -> list[Entry]:
        """Make the disk as it was before the log one whose power failed at entry `end`; return the writes it lost."""
        safe = self.flushed(end)
        parts = [(entry, 0, entry.length) for entry in self.entries[:safe]]
        kept, lost = survivors(self.entries[safe:end], chance)
        self.apply(disk, parts + kept)
        return lost


def survivors(entries: Sequence[Entry], chance: random.Random) -> tuple[list[tuple[Entry, int, int]], list[Entry]]:
    """Choose what of unflushed writes reached the disk: all of a write, nothing, or blocks from one to another."""
    whole = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))  # a cache that was full, or nearly empty
    kept: list[tuple[Entry, int, int]] = []
    lost: list[Entry] = []
    for entry in entries:
        if not entry.length or chance.random() < whole:
            kept.append((entry, 0, entry.length))
            continue
        lost.append(entry)
        if chance.random() < 0.25:
            begin, end = sorted(chance.choice(borders(entry)) for _ in range(2))
            kept.append((entry, begin, end))
    return kept, lost


def borders(entry: Entry) -> list[int]:
    """Return where a write may be torn: its ends, and the disk's blocks within it."""
    first = -entry.offset % ATOM
    return [0, *(at for at in range(first, entry.length, ATOM) if at), entry.length]


def read(path: Path) -> Iterator[Entry]:
    """Give the whole entries of a log."""
    size = path.stat().st_size
    with path.open("rb") as log:
        magic, version, _, sector = SUPER.unpack(log.read(SUPER.size).ljust(SUPER.size, b"\0"))
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError(f"{path} is no log of writes")
        at = sector
        while at + sector <= size:
            log.seek(at)
            first, count, flags, _ = HEADER.unpack(log.read(HEADER.size))
            # No request is empty and without a flag: what was not written reads as zeros, and ends the log.
            length = 0 if flags & DISCARD else count * sector
            if not (count or flags) or flags & ~KNOWN or at + sector + length > size:
                return
            yield Entry(first * sector, length, flags, at + sector)
            at += sector + length
