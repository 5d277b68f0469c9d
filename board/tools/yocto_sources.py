"""What bitbake unpacks: PyPI's source packages, as recipes name them, and Debian's files of the target."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from board.tools import cache, host
from board.tools.debian import Archive
from board.tools.progress import Failure, say
from board.tools.yocto_target import Machine

# Names the recipes of openembedded-core that are built as they are.
SETTINGS = cache.ROOT / "board" / "meta-stub" / "conf" / "distro" / "stub.conf"
TARGET_PACKAGES = ("libpython3.11-dev", "libpython3.11-minimal", "libpython3.11-stdlib", "libffi-dev", "libffi8")


@dataclass(frozen=True, slots=True, order=True)
class Sdist:
    """A source package of PyPI, and the checksum that a recipe asks for."""

    name: str
    version: str
    sha256: str

    @classmethod
    def of_recipe(cls, recipe: Path) -> Sdist:
        """Return what a recipe that inherits `pypi` fetches."""
        name, version = recipe.stem.removeprefix("python3-").split("_")
        text = recipe.read_text()
        package = re.search(r'^PYPI_PACKAGE\s*\??=\s*"([^"$]+)"', text, re.MULTILINE)
        checksum = re.search(r'^SRC_URI\[sha256sum\]\s*=\s*"([0-9a-f]{64})"', text, re.MULTILINE)
        if checksum is None:
            raise Failure(f"{recipe} names no SRC_URI[sha256sum]")
        return cls(package.group(1) if package else name, version, checksum.group(1))


def recipes(core: Path, layer: Path) -> list[Path]:
    """Return the recipes that fetch from PyPI: openembedded-core's, and the layer's own."""
    python = core / "meta" / "recipes-devtools" / "python"
    names = re.search(r'^STUB_REAL = "([^"]+)"', SETTINGS.read_text(), re.MULTILINE)
    assert names is not None, f"{SETTINGS} has lost STUB_REAL"
    found = [path for name in names.group(1).split("|") for path in python.glob(f"python3-{name}_*.bb")]
    return found + [path for path in layer.rglob("python3-*_*.bb") if "SRC_URI[sha256sum]" in path.read_text()]


def sdists(wanted: Iterable[Sdist]) -> Path:
    """Return a folder with source packages of PyPI, each checked."""
    wanted = sorted(set(wanted))

    def make(folder: Path) -> None:
        say(f"downloading {len(wanted)} source packages from PyPI")
        # Two versions of one package cannot be asked for at once.
        rounds: list[list[Sdist]] = []
        for sdist in wanted:
            row = next((row for row in rounds if all(other.name != sdist.name for other in row)), None)
            if row is None:
                rounds.append([sdist])
            else:
                row.append(sdist)
        for row in rounds:
            names = [f"{sdist.name}=={sdist.version}" for sdist in row]
            host.checked([*pip(), "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), *names], 600)
        there = {hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
        wrong = [f"{sdist.name} {sdist.version}" for sdist in wanted if sdist.sha256 not in there]
        if wrong:
            raise Failure(f"PyPI's {', '.join(wrong)} is not what the recipe asks for (sha256)")

    return cache.entry("yocto-sdists", cache.digest(*map(repr, wanted)), make)


def release() -> Path:
    """Return the folder of the release tarball that the recipes name, made from its commit."""
    made = host.checked([sys.executable, str(cache.ROOT / "board" / "release-tarball")], 120)
    return Path(made.splitlines()[-1]).parent


def pip() -> list[str]:
    """Return the command of a pip."""
    if host.run([sys.executable, "-m", "pip", "--version"], 60).returncode == 0:
        return [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    host.need({"pip3": "python3-pip"})
    return ["/usr/bin/python3", "-m", "pip", "--disable-pip-version-check"]


def target_root(machine: Machine) -> Path:
    """Return a folder with Debian's headers and libraries of Python and libffi for a machine."""
    archive = Archive(machine.debian)
    packages = archive.alone(TARGET_PACKAGES)
    key = cache.digest(*(f"{package.file} {package.hash}" for package in packages))
    return cache.entry(f"yocto-{machine.debian}", key, lambda folder: archive.unpack(packages, folder))
