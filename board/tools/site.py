"""The layer of a guest's root file system that holds Python packages: pvsched, what it needs, what its tests need.

All from wheels: a guest has no compiler, nor has the board that it stands for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from board.tools import cache, host
from board.tools.machine import Machine
from board.tools.progress import Failure, say
from board.tools.rootfs import compile_library

SITE = "usr/local/lib/python3.11/dist-packages"
REQUIREMENTS = cache.ROOT / "board" / "guest" / "requirements.txt"


def site(machine: Machine) -> Path:
    """Return a layer with pvsched, what it needs and what its tests need, all from wheels."""
    wheels = built_wheels(machine)
    own = [wheel for wheel in wheels if wheel.name.startswith("pvsched-")]
    if len(own) != 1:
        raise Failure(f"one wheel of pvsched for {machine.wheel} expected, found {[wheel.name for wheel in own]}")

    def make(folder: Path) -> None:
        say(f"installing {own[0].name} and what it needs, from wheels")
        target = folder / SITE
        target.mkdir(parents=True)
        python = pip_python()
        command = [
            python, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(target),
            "--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11",
            *platforms(machine), "--find-links", str(own[0].parent), "-r", str(REQUIREMENTS), str(own[0]),
        ]  # fmt: skip
        host.checked(command, 600, {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
        scripts = folder / "usr" / "local" / "bin"
        scripts.mkdir(parents=True)
        for script in sorted((target / "bin").iterdir()):
            text = script.read_text().split("\n", 1)[1]
            (scripts / script.name).write_text("#!/usr/bin/python3\n" + text)
            (scripts / script.name).chmod(0o755)
        shutil.rmtree(target / "bin")
        compile_library(target)

    return cache.entry(f"site-{machine.arch}", cache.digest(Path(__file__), REQUIREMENTS, *wheels), make)


def platforms(machine: Machine) -> list[str]:
    """Return pip's options for every platform whose wheels Debian 12's glibc 2.36 takes."""
    names = [f"manylinux_2_{minor}_{machine.wheel}" for minor in range(36, 16, -1)]
    names += [f"manylinux2014_{machine.wheel}", f"linux_{machine.wheel}"]
    return [option for name in names for option in ("--platform", name)]


def built_wheels(machine: Machine) -> list[Path]:
    """Return the cross-built wheels of this machine: what `board/build-wheels` says it has."""
    script = cache.ROOT / "board" / "build-wheels"
    done = subprocess.run(
        [str(script), machine.wheel, "--libc", "glibc"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        text=True, timeout=1200, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Failure(f"board/build-wheels {machine.wheel}: exit status {done.returncode}", code=done.returncode)
    return sorted(Path(line) for line in done.stdout.splitlines())


def pip_python() -> str:
    """Return a Python that has pip: this one, or one made for it."""
    if host.run([sys.executable, "-m", "pip", "--version"], 60).returncode == 0:
        return sys.executable

    def make(folder: Path) -> None:
        say("making a Python environment that has pip")
        if host.run([sys.executable, "-c", "import ensurepip"], 20).returncode != 0:
            host.install(["python3-venv"])
        host.checked([sys.executable, "-m", "venv", "--copies", str(folder / "venv")], 120)

    return str(cache.entry("pip", cache.digest(sys.version), make) / "venv" / "bin" / "python")
