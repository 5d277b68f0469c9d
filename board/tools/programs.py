"""The C test programs (tests/c), cross-compiled on the host: a guest has no compiler."""

from __future__ import annotations

import subprocess
from pathlib import Path

from board.tools import cache, host
from board.tools.machine import Machine
from board.tools.progress import Failure, say
from tests.c import programs

# No TSan: gcc's does not know 32-bit ARM, and under an emulator its shadow memory is beyond a guest.
KINDS = ("plain", "sanitized")
SANITIZERS = "-static-libasan -static-libubsan"  # a guest has no such libraries


def c_programs(machine: Machine, kinds: tuple[str, ...] = KINDS) -> Path:
    """Return a folder with every C test program as NAME-BUILD, as tests/c/test_c.py takes it in $PVSCHED_C_PROGRAMS."""
    host.need({machine.compiler: f"gcc-{machine.triplet}"})
    if not Path(f"/usr/{machine.triplet}/include/stdio.h").exists():
        host.install([f"libc6-dev-{machine.arch}-cross"])
    version = host.checked([machine.compiler, "--version"], 20)
    sources = [path for folder in ("csrc", "tests/c") for path in (cache.ROOT / folder).rglob("*.[ch]")]
    recipe = [Path(__file__), Path(programs.__file__), version, *kinds]
    key = cache.digest(cache.digest_files(sources, cache.ROOT), *recipe)

    def make(folder: Path) -> None:
        wanted = [(program, kind) for program, kind in programs.cases() if kind in kinds]
        say(f"cross-compiling {len(wanted)} C test programs for {machine.arch}")
        cores = programs.Cores(folder)
        for program, kind in wanted:
            compiler = machine.compiler + (f" {SANITIZERS}" if kind == "sanitized" else "")
            try:
                programs.build(compiler, program, kind, cores, folder / f"{program.stem}-{kind}")
            except subprocess.CalledProcessError as failed:
                raise Failure(f"{' '.join(failed.cmd)}\n{failed.stdout}") from failed
        for path in cores.made.values():
            path.unlink()

    return cache.entry(f"c-programs-{machine.arch}", key, make)
