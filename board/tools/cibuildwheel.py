"""cibuildwheel, which GitHub's workflow runs, in a Python environment of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from board.tools import cache, host
from board.tools.progress import say

REQUIREMENT = "cibuildwheel==4.3.3"  # .github/workflows/wheels.yml names the same


def python() -> str:
    """Return a Python that has cibuildwheel."""

    def make(folder: Path) -> None:
        say(f"getting {REQUIREMENT}")
        if host.run([sys.executable, "-c", "import ensurepip"], 60).returncode != 0:
            host.install(["python3-venv"])
        host.checked([sys.executable, "-m", "venv", str(folder / "venv")], 600)
        made = str(folder / "venv" / "bin" / "python")
        host.checked([made, "-m", "pip", "install", "--quiet", REQUIREMENT], 900, os.environ)

    key = cache.digest(REQUIREMENT, sys.version, f"{sys.base_prefix}/bin/python3")
    return str(cache.entry("cibuildwheel", key, make) / "venv" / "bin" / "python")


def identifiers() -> list[str]:
    """Return what pyproject.toml lets it build."""
    command = [python(), "-m", "cibuildwheel", "--print-build-identifiers", "--platform", "linux", str(cache.ROOT)]
    return host.checked(command, 120).split()
