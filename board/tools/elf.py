"""What an ELF file says of itself, read with `readelf`: for which machine it is, what it needs, what it gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from board.tools import host

# number: value size type binding visibility index name@version
SYMBOL = re.compile(r"^ *\d+:(?: +\S+){3} +(?:GLOBAL|WEAK|UNIQUE) +\S+ +(\S+) +([^@\s]+)", re.MULTILINE)


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
    command = ["readelf", "-W", "-h", "-l", "-d", "-V", "--dyn-syms", str(path)]
    said = host.checked(command, 30, {"LC_ALL": "C", "PATH": host.PATH})
    symbols = SYMBOL.findall(said)
    return Elf(
        machine=first(r"^\s*Machine:\s+(.*?)\s*$", said),
        bits=64 if "ELF64" in first(r"^\s*Class:\s+(\S+)", said) else 32,
        hard_float="hard-float ABI" in first(r"^\s*Flags:\s+(.*)$", said),
        needed=frozenset(re.findall(r"\(NEEDED\).*\[(.*)\]", said)),
        versions=frozenset(re.findall(r"Name: (GLIBC\S*|GCC\S*)", said)),
        undefined=frozenset(name for where, name in symbols if where == "UND"),
        defined=frozenset(name for where, name in symbols if where != "UND"),
        search_path=bool(re.search(r"\((RPATH|RUNPATH)\)", said)),
        text_relocations="(TEXTREL)" in said,
        interpreter=first(r"interpreter: (\S+)\]", said),
    )


def first(pattern: str, text: str) -> str:
    """Return what a pattern finds first, or nothing."""
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else ""
