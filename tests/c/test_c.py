"""Builds and runs every `tests/c/test_*.c` as a program of its own, plain and under the sanitizers.

What a program is built from stands in the comment at its top (see `check.h`). A failure prints the command that built
the program; `CC=...` chooses another compiler. Where there is none, as on a board, `PVSCHED_C_PROGRAMS=DIR` names a
folder of programs that were built elsewhere (`board/qemu` does), each `NAME-BUILD`; those that are there are run.
`PVSCHED_C_RUNNER="COMMAND ARGS"` runs each program through an emulator.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.c.programs import PROGRAMS, ROOT, Cores, build, cases, said_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

READY = Path(os.environ["PVSCHED_C_PROGRAMS"]).resolve() if os.environ.get("PVSCHED_C_PROGRAMS") else None
RUNNER = shlex.split(os.environ.get("PVSCHED_C_RUNNER", ""))
# Seconds; what needs more hangs. More for larger amounts, and on a machine that is slow (PVSCHED_PATIENCE times).
SCALES = [float(os.environ.get(name, "1")) for name in ("PVSCHED_SCALE", "PVSCHED_PATIENCE")]
TIME_LIMIT = 120.0 * max(1.0, SCALES[0]) * max(1.0, SCALES[1])


def compiler() -> str | None:
    """Return the C compiler to use: `$CC`, else the first of the usual names that exists."""
    wanted = os.environ.get("CC")
    if wanted:
        return wanted
    return next((name for name in ("cc", "gcc", "clang", "clang-14") if shutil.which(name)), None)


@pytest.fixture(scope="session")
def cores(tmp_path_factory: pytest.TempPathFactory) -> Cores:
    """Return what programs link besides themselves, compiled once for each build and set of flags."""
    return Cores(tmp_path_factory.mktemp("cores"))


def run_limited(command: list[str], log: Path, limit: float = TIME_LIMIT) -> tuple[int | None, str]:
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
        status = process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return status, log.read_text(errors="replace")


def parameters() -> list[ParameterSet]:
    """Return every program in every build; what its comment names after `slow:` is for the slower set."""
    return [
        pytest.param(
            program, kind, id=f"{program.stem}-{kind}", marks=[pytest.mark.slow] * (kind in said_in(program, "slow"))
        )
        for program, kind in cases()
        if READY is None or (READY / f"{program.stem}-{kind}").exists()
    ]


def tries_of(program: Path) -> int:
    """How often a program may be run until it ends with 0: more than once only where its comment says why."""
    return int((said_in(program, "tries") or ["1"])[0])


def built(program: Path, kind: str, binary: Path, cores: Cores) -> str:
    """Build a program; return the command that did. A failure shows what the compiler said."""
    cc = compiler()
    if cc is None:
        pytest.skip("no C compiler here: neither $CC nor cc, gcc, clang")
    try:
        return shlex.join(build(cc, program, kind, cores, binary))
    except subprocess.CalledProcessError as failed:
        pytest.fail(f"{shlex.join(failed.cmd)}\n{failed.stdout}")


@pytest.mark.timeout(4 * TIME_LIMIT + 300)
@pytest.mark.parametrize(("program", "kind"), parameters())
def test_program(program: Path, kind: str, tmp_path: Path, cores: Cores) -> None:
    """A C test program compiles without a warning and ends with 0 within its time limit."""
    if READY is None:
        binary = tmp_path / program.stem
        origin = f"built with: {built(program, kind, binary, cores)}"
    else:
        binary = READY / f"{program.stem}-{kind}"
        origin = f"ready-made: {binary}"
    limit = TIME_LIMIT * (4 if kind in said_in(program, "slow") else 1)  # these take a minute where nothing else runs
    for _ in range(tries_of(program)):
        status, said = run_limited([*RUNNER, str(binary)], tmp_path / "run.log", limit)
        if status == 0:
            break
    ending = f"no end within {limit:.0f} s" if status is None else f"exit status {status}"
    assert status == 0, f"{ending}; {origin}\n{said}"


def test_every_program_is_run() -> None:
    """No program is left out, nor lacking in a folder of ready-made ones."""
    run = {parameter.values[0] for parameter in parameters() if parameter.values[1] == "plain"}
    assert sorted(path.name for path in set(PROGRAMS) - run) == []
