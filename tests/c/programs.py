"""How the C test programs are built: what each needs stands in the comment at its top (see `check.h`).

Used by `test_c.py`, and by `board/` to cross-compile the same programs for a board. Standard library alone.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = sorted(HERE.glob("test_*.c"))
WARNINGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
BUILDS = {
    "plain": ["-O2", "-g"],
    "sanitized": [
        "-O1",
        "-g",
        "-fno-omit-frame-pointer",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ],
    "threads": ["-O1", "-g", "-fsanitize=thread", "-Wno-error"],  # where the comment says `also: threads`
}


def said_in(source: Path, word: str) -> list[str]:
    """Return the words after `word:` in the first comment of a C file."""
    first_comment = source.read_text().split("*/", 1)[0]
    found = re.search(rf"^\W*{word}:(.*)$", first_comment, re.MULTILINE)
    return found.group(1).split() if found else []


def cases() -> Iterator[tuple[Path, str]]:
    """Return every program in every build that it has."""
    for program in PROGRAMS:
        for build in BUILDS:
            if build != "threads" or build in said_in(program, "also"):
                yield program, build


def includes_of(program: Path) -> list[str]:
    """Return the flags that say where a program's headers are, relative to the project's root."""
    return [*said_in(program, "flags"), "-Icsrc", "-Itests/c"]


def core_command(cc: str, program: Path, build: str, output: Path) -> list[str]:
    """Return the command that makes one object of the whole core, as this program wants it."""
    core = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "csrc").glob("*.c") if path.name != "python_glue.c")
    flags = [*WARNINGS, *BUILDS[build], *includes_of(program)]
    return [*shlex.split(cc), *flags, "-r", "-nostdlib", *core, "-o", str(output)]


def build_command(cc: str, program: Path, build: str, core: Sequence[str], output: Path) -> list[str]:
    """Return the command that builds one program, to be run in the project's root."""
    sources = [str(program.relative_to(ROOT)), *core]
    flags = [*WARNINGS, *BUILDS[build], *includes_of(program)]
    return [*shlex.split(cc), *flags, *sources, "-o", str(output), "-pthread"]


class Cores:
    """What programs link besides themselves: the whole core is compiled once for each build and set of flags."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, Path] = {}

    def links(self, cc: str, program: Path, build: str) -> list[str]:
        """Return the sources or the object that a program links. Raises CalledProcessError."""
        names = said_in(program, "links")
        if names != ["all"]:
            return [f"csrc/{name}" for name in names]
        key = f"{build}{len(said_in(program, 'flags'))}"
        if key not in self.made:
            output = self.folder / f"{key}.o"
            compile_limited(core_command(cc, program, build, output))
            self.made[key] = output
        return [str(self.made[key])]


def build(cc: str, program: Path, kind: str, cores: Cores, output: Path) -> list[str]:
    """Build one program; return the command that did. Raises CalledProcessError with the compiler's output."""
    command = build_command(cc, program, kind, cores.links(cc, program, kind), output)
    compile_limited(command)
    return command


def compile_limited(command: list[str]) -> None:
    """Run the compiler in the project's root, with a time limit."""
    subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=300, check=True,
    )  # fmt: skip
