"""What compiles: Zig, a C compiler that brings every target's headers and C library, so that none is the host's.

It comes from PyPI with the tools that build and check wheels, in a Python environment of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from board.tools import cache, host
from board.tools.progress import Failure, say
from board.tools.target import Target

REQUIREMENTS = cache.ROOT / "board" / "tools" / "toolchain.txt"
# Zig would put traps for undefined behaviour into what it compiles; a wheel wants none.
COMPILE = ("-O2", "-g0", "-fPIC", "-fno-sanitize=all", "-MD")
LINK = ("-shared", "-s", "-Wl,-z,relro", "-Wl,-z,now")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The environment's folder."""

    folder: Path

    @property
    def python(self) -> str:
        """Return its Python; as `python -m TOOL`, for a renamed environment's scripts name the old place."""
        return str(self.folder / "venv" / "bin" / "python")

    @property
    def headers(self) -> list[Path]:
        """Return where the compiler's own headers are, the C libraries' included."""
        return sorted(self.folder.resolve().glob("venv/lib/python*/site-packages/ziglang/lib"))

    def tool(self, name: str) -> list[str]:
        """Return the command of one of Zig's tools: cc, ar, ranlib."""
        return [str(self.headers[0].parent / "zig"), name]

    def compiler(self, target: Target) -> list[str]:
        """Return the C compiler for a target."""
        return [*self.tool("cc"), *target.flags]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a build: no setting of the host's, a fixed time, Zig's cache below ours."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
        fixed = {"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "1704067200"), "PYTHONHASHSEED": "0"}
        caches = {f"ZIG_{which}_CACHE_DIR": str(cache.home() / "zig") for which in ("GLOBAL", "LOCAL")}
        return {**kept, **fixed, **caches, "LC_ALL": "C.UTF-8", **(more or {})}


def toolchain() -> Toolchain:
    """Return the environment, made with pip if its list of requirements or this Python has changed."""

    def make(folder: Path) -> None:
        say("getting Zig and the tools that build and check wheels")
        if host.run([sys.executable, "-c", "import ensurepip"], 20).returncode != 0:
            host.install(["python3-venv"])
        host.checked([sys.executable, "-m", "venv", str(folder / "venv")], 600)
        made = Toolchain(folder)
        command = [made.python, "-m", "pip", "install", "--quiet", "--retries", "5", "-r", str(REQUIREMENTS)]
        host.checked(command, 900, {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})

    if len(str(cache.home()).split()) != 1:  # setuptools and pkg-config's readers split commands and flags at spaces
        hint = "name another one: PVSCHED_BOARD_CACHE=/var/tmp/pvsched-board"
        raise Failure(f"nothing can be compiled below a folder with a space in its name: {cache.home()}", hint)
    base = f"{sys.base_prefix}/bin/python3"  # the same one within a Python environment and without
    return Toolchain(cache.entry("toolchain", cache.digest(REQUIREMENTS, sys.version, base), make))


def key(chain: Toolchain, *parts: str | bytes | Path) -> str:
    """Return the key of what a toolchain makes from these parts."""
    return cache.digest(chain.folder.name, *COMPILE, *LINK, *parts)


def run(chain: Toolchain, command: Sequence[str], limit: float = 300) -> None:
    """Run a step of a build in its environment."""
    host.checked(list(command), limit, chain.environment())


def run_in(chain: Toolchain, command: Sequence[str], folder: Path, more: Mapping[str, str]) -> None:
    """Run a step of a build in a folder, with more in its environment."""
    host.checked(["env", "-C", str(folder), *command], 1500, chain.environment(more))
