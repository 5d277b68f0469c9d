"""Running what was built, where it is meant to run: here, in a guest with a real kernel, under musl's own loader."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from board.tools import audit, cache, elf, host, suite, toolchain
from board.tools.machine import MACHINES
from board.tools.progress import Failure, say
from board.tools.target import Target
from tests.c import programs

SMOKE = cache.ROOT / ".ci" / "smoke.py"
GLIBC_ALONE = ("-Dstrerrorname_np=strerror",)  # of what the programs' messages use
LIMIT = 1200  # seconds for one program; what needs more hangs. At a load of 25 two took more than 120 here
WHOLE_LIMIT = 3600  # seconds for all, here or in a guest
# One program after the other: each says how it ended, and the last line is how all did.
SUITE = """\
cd "$(dirname "$0")"; failed=0
for program in test_*; do
  began=$(date +%s)
  tries=$(cat "tries-$program" 2>/dev/null || echo 1); ended=1
  while [ "$ended" -ne 0 ] && [ "$tries" -gt 0 ]; do
    timeout -k 5 {limit} "./$program" </dev/null >"said-$program" 2>&1; ended=$?; tries=$((tries - 1))
  done
  echo "$program: exit status $ended after $(($(date +%s) - began)) s"
  [ "$ended" -eq 0 ] || { tail -n 20 "said-$program"; failed=$((failed + 1)); }
done
set -- test_*
echo "$# programs, $failed failed"; [ "$failed" -eq 0 ]
""".replace("{limit}", str(LIMIT))


def run(target: Target, wheels: Sequence[Path]) -> None:
    """Run what can be run of a target: the wheel's first use with glibc, the C suite with musl."""
    if target.libc == "musl":
        musl_suite(target)
    elif target.arch == platform.machine():
        here(next(wheel for wheel in wheels if wheel.name.startswith("pvsched-")))
    else:
        say(f"using the wheel for {target} in a guest")
        guest(target, ["python3", "/src/.ci/smoke.py"])


def here(wheel: Path) -> None:
    """Use a wheel in an environment that has nothing else."""

    def make(folder: Path) -> None:
        say(f"using {wheel.name} in an environment of its own")
        python = folder / "venv" / "bin" / "python"
        host.checked([sys.executable, "-m", "venv", str(folder / "venv")], 600)
        host.checked([str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:", str(wheel)], 300)
        say(host.last_line(host.checked(["env", "-C", str(folder), str(python), str(SMOKE)], 120)))
        shutil.rmtree(folder / "venv")

    cache.entry("used", cache.digest(wheel, SMOKE, sys.version), make)


def guest(target: Target, command: Sequence[str], share: Path | None = None) -> None:
    """Run a command in the guest of a target's architecture."""
    arch = next(machine.arch for machine in MACHINES.values() if machine.wheel == target.arch)
    options = ["--limit", str(WHOLE_LIMIT), *(["--share", str(share), "--bare"] if share else [])]
    script = cache.ROOT / "board" / "qemu"
    done = subprocess.run(
        [str(script), arch, "run", *options, "--", *command], stdin=subprocess.DEVNULL, stdout=sys.stderr,
        timeout=WHOLE_LIMIT + 1800, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Failure(f"{shlex.join(command)} in the guest for {target}: exit status {done.returncode}")


def musl_suite(target: Target) -> None:
    """Build the C suite with musl, and run it under musl's loader: here, or in a guest for another architecture."""
    foreign = target.arch != platform.machine()

    def make(folder: Path) -> None:
        at = Path("/share") if foreign else cache.home() / f"musl-suite-{target.arch}-{key}.part"
        build_suite(target, folder, at)
        say(f"running the C suite under {Path(target.loader).name}")
        if foreign:
            slower = [f"PVSCHED_PATIENCE={suite.PATIENCE}", f"PVSCHED_SCALE={suite.AMOUNTS}"]
            guest(target, ["env", *slower, "sh", "/share/suite"], folder)
        else:
            say(host.last_line(host.checked(["sh", str(folder / "suite")], WHOLE_LIMIT)))

    sources = [path for name in ("csrc", "tests/c") for path in (cache.ROOT / name).rglob("*.[ch]")]
    chain = toolchain.toolchain()
    key = toolchain.key(chain, Path(__file__), cache.digest_files(sources, cache.ROOT), str(audit.musl(target)))
    cache.entry(f"musl-suite-{target.arch}", key, make)


class Core:
    """The core's objects, compiled once for each set of the programs' flags."""

    def __init__(self, chain: toolchain.Toolchain, compiler: list[str], folder: Path) -> None:
        self.chain, self.compiler, self.folder = chain, compiler, folder
        self.made: dict[str, Path] = {}

    def links(self, program: Path) -> list[str]:
        """Return what a program links besides itself: the sources that it names, or all as a library."""
        names = programs.said_in(program, "links")
        if names != ["all"]:
            return [f"csrc/{name}" for name in names]
        flags = programs.includes_of(program)
        library = self.made.setdefault(shlex.join(flags), self.folder / f"core{len(self.made)}.a")
        if not library.exists():
            self.build(flags, library)
        return [str(library)]

    def build(self, flags: list[str], library: Path) -> None:
        """Compile every file of the core but the one that knows Python."""
        objects = []
        for file in sorted((cache.ROOT / "csrc").glob("*.c")):
            if file.name != "python_glue.c":
                objects.append(str(library.with_name(f"{file.stem}.o")))
                command = [*self.compiler, "-O2", "-D_GNU_SOURCE", *flags, "-c", str(file), "-o", objects[-1]]
                toolchain.run_in(self.chain, command, cache.ROOT, {})
        toolchain.run(self.chain, [*self.chain.tool("ar"), "rcs", str(library), *objects])
        for name in objects:
            Path(name).unlink()


def build_suite(target: Target, folder: Path, at: Path) -> None:
    """Build the C test programs into a folder that will be `at` when they run, with musl's loader beside them."""
    say(f"building the C suite for {target}")
    chain = toolchain.toolchain()
    loader = folder / Path(target.loader).name
    shutil.copyfile(audit.musl(target), loader)
    loader.chmod(0o755)
    compiler = [*chain.compiler(target), "-fno-sanitize=all", "-w"]  # the warnings that count are gcc's
    core = Core(chain, compiler, folder)
    dynamic = ["-dynamic", f"-Wl,--dynamic-linker={at / loader.name}"]
    for program, kind in programs.cases():
        if kind != "plain":  # Zig brings no sanitizers' libraries for musl
            continue
        place = folder / program.stem
        command = programs.build_command(shlex.join(compiler), program, kind, core.links(program), place)
        toolchain.run_in(chain, [*command, "-w", "-g0", *GLIBC_ALONE, *dynamic], cache.ROOT, {})
        if elf.read(place).interpreter != str(at / loader.name):
            raise Failure(f"{program.stem} would not be loaded by {loader.name}")
        (folder / f"tries-{program.stem}").write_text((programs.said_in(program, "tries") or ["1"])[0])
    (folder / "suite").write_text(SUITE)
