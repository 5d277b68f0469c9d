"""Builds and runs every `tests/c/test_*.c` as a program of its own, plain and under the sanitizers.

What a program is built from stands in the comment at its top (see `check.h`). A failure prints the command that built
the program; `CC=...` chooses another compiler.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark import ParameterSet

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
TIME_LIMIT = 120.0 * max(1.0, float(os.environ.get("PVSCHED_SCALE", "1")))  # seconds; what needs more hangs


def compiler() -> str | None:
    """Return the C compiler to use: `$CC`, else the first of the usual names that exists."""
    wanted = os.environ.get("CC")
    if wanted:
        return wanted
    return next((name for name in ("cc", "gcc", "clang", "clang-14") if shutil.which(name)), None)


def said_in(source: Path, word: str) -> list[str]:
    """Return the words after `word:` in the first comment of a C file."""
    first_comment = source.read_text().split("*/", 1)[0]
    found = re.search(rf"^\W*{word}:(.*)$", first_comment, re.MULTILINE)
    return found.group(1).split() if found else []


def includes_of(program: Path) -> list[str]:
    """Return the flags that say where a program's headers are, relative to the project's root."""
    return [*said_in(program, "flags"), "-Icsrc", "-Itests/c"]


def core_command(cc: str, program: Path, build: str, output: Path) -> list[str]:
    """Return the command that makes one object of the whole core, as this program wants it."""
    core = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "csrc").glob("*.c") if path.name != "python_glue.c")
    return [cc, *WARNINGS, *BUILDS[build], *includes_of(program), "-r", "-nostdlib", *core, "-o", str(output)]


def build_command(cc: str, program: Path, build: str, core: list[str], output: Path) -> list[str]:
    """Return the command that builds one program, to be run in the project's root."""
    sources = [str(program.relative_to(ROOT)), *core]
    return [cc, *WARNINGS, *BUILDS[build], *includes_of(program), *sources, "-o", str(output), "-pthread"]


@pytest.fixture(scope="session")
def cores(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path, str], list[str]]:
    """Return what a program links besides itself; the whole core is compiled once for each build and set of flags."""
    folder = tmp_path_factory.mktemp("cores")
    made: dict[str, Path] = {}

    def links(cc: str, program: Path, build: str) -> list[str]:
        names = said_in(program, "links")
        if names != ["all"]:
            return [f"csrc/{name}" for name in names]
        key = f"{build}{len(said_in(program, 'flags'))}"
        if key not in made:
            command = core_command(cc, program, build, folder / f"{key}.o")
            status, said = run_limited(command, folder / f"{key}.log")
            assert status == 0, f"{shlex.join(command)}\n{said}"
            made[key] = folder / f"{key}.o"
        return [str(made[key])]

    return links


def run_limited(command: list[str], log: Path) -> tuple[int | None, str]:
    """Run a command in the project's root; return its exit status (None: it overran) and what it said.

    It gets a process group of its own, so that what it started does not outlive the time limit, and a file to write
    to: a pipe that some stray descendant holds would never end.
    """
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
    status: int | None = None
    try:
        status = process.wait(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return status, log.read_text(errors="replace")


def cases() -> list[ParameterSet]:
    """Return every program in every build; what its comment names after `slow:` is for the slower set."""
    return [
        pytest.param(
            program, build, id=f"{program.stem}-{build}", marks=[pytest.mark.slow] * (build in said_in(program, "slow"))
        )
        for program in PROGRAMS
        for build in BUILDS
        if build != "threads" or build in said_in(program, "also")
    ]


def tries_of(program: Path) -> int:
    """How often a program may be run until it ends with 0: more than once only where its comment says why."""
    return int((said_in(program, "tries") or ["1"])[0])


@pytest.mark.parametrize(("program", "build"), cases())
def test_program(program: Path, build: str, tmp_path: Path, cores: Callable[[str, Path, str], list[str]]) -> None:
    """A C test program compiles without a warning and ends with 0 within its time limit."""
    cc = compiler()
    if cc is None:
        pytest.skip("no C compiler here: neither $CC nor cc, gcc, clang")
    binary = tmp_path / program.stem
    building = build_command(cc, program, build, cores(cc, program, build), binary)
    status, said = run_limited(building, tmp_path / "build.log")
    assert status == 0, f"{shlex.join(building)}\n{said}"
    for _ in range(tries_of(program)):
        status, said = run_limited([str(binary)], tmp_path / "run.log")
        if status == 0:
            break
    ending = f"no end within {TIME_LIMIT:.0f} s" if status is None else f"exit status {status}"
    assert status == 0, f"{ending}; built with: {shlex.join(building)}\n{said}"
