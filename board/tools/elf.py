"""What an ELF file says of itself, read with `readelf`: for which machine it is, what it needs, what it gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from board.tools import host

SYMBOL = re.compile(r"^\s*\d+: \S+\s+\S+\s+\S+\s+(LOCAL|GLOBAL|WEAK|UNIQUE)\s+\S+\s+(\S+)(?:\s+(\S+))?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Elf:
    """A shared library or a program."""

    machine: str
    bits: int
    hard_float: bool  # of 32-bit ARM
    needed: frozenset[str]
    versions: frozenset[str]  # of symbols in libraries, such as GLIBC_2.17
    undefined: frozenset[str]
    defined: frozenset[str]
    search_path: bool
    text_relocations: bool
    interpreter: str


def read(path: Path) -> Elf:
    """Return what a file says."""
    host.need({"readelf": "binutils"})
    said = host.checked(["readelf", "-W", "-h", "-l", "-d", "-V", "--dyn-syms", str(path)], 30, {"LC_ALL": "C", "PATH": host.PATH})
    symbols = [(where, (name or "").split("@")[0]) for _, where, name in SYMBOL.findall(said)]
    return Elf(
        machine=first(r"^\s*Machine:\s+(.*?)\s*$", said),
        bits=64 if "ELF64" in first(r"^\s*Class:\s+(\S+)", said) else 32,
        hard_float="hard-float ABI" in first(r"^\s*Flags:\s+(.*)$", said),
        needed=frozenset(re.findall(r"\(NEEDED\).*\[(.*)\]", said)),
        versions=frozenset(re.findall(r"Name: (GLIBC\S*|GCC\S*)", said)),
        undefined=frozenset(name for where, name in symbols if where == "UND" and name),
        defined=frozenset(name for where, name in symbols if where != "UND" and name),
        search_path=bool(re.search(r"\((RPATH|RUNPATH)\)", said)),
        text_relocations="(TEXTREL)" in said,
        interpreter=first(r"interpreter: (\S+)\]", said),
    )


def first(pattern: str, text: str) -> str:
    """Return what a pattern finds first, or nothing."""
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else ""
