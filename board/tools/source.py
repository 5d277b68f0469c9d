"""Source archives: of Debian's pool and of PyPI, each checked against its hash, and our own tree's files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from board.tools import cache, debian, host
from board.tools.progress import say
from board.tools.toolchain import Toolchain

APT_HELPER = "/usr/lib/apt/apt-helper"
OWN = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "csrc/*.c", "csrc/*.h", "csrc/*.py", "pvsched/**/*")
PACKAGED = (".py", ".pyi", ".typed")


@dataclass(frozen=True, slots=True)
class Release:
    """A project's source archive on PyPI."""

    name: str
    version: str
    sha256: str


def debian_source(path: str, sha256: str, folder: Path) -> None:
    """Unpack a source archive of Debian's pool into a folder. apt downloads it, for it knows the way to the mirror."""
    site = re.sub(r"\[[^]]*\] ", "", debian.sources()[0]).split()[1]
    file = folder / Path(path).name
    host.checked([APT_HELPER, "download-file", f"{site.rstrip('/')}/{path}", str(file), f"SHA256:{sha256}"], 300)
    host.checked(["tar", "-xf", str(file), "-C", str(folder)], 60)


def pypi_source(chain: Toolchain, release: Release) -> Path:
    """Return the unpacked source archive of a project on PyPI."""

    def make(folder: Path) -> None:
        say(f"getting the source of {release.name} {release.version}")
        wanted = folder / "wanted.txt"
        wanted.write_text(f"{release.name}=={release.version} --hash=sha256:{release.sha256}\n")
        command = [chain.python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        options = ["--no-binary", ":all:", "--no-build-isolation", "--require-hashes", "-r", str(wanted)]
        host.checked([*command, *options, "-d", str(folder)], 300)
        host.checked(["tar", "-xf", str(next(folder.glob("*.tar.gz"))), "-C", str(folder)], 60)

    kept = cache.entry(f"source-{release.name}", cache.digest(Path(__file__), repr(release), chain.folder.name), make)
    return kept / f"{release.name}-{release.version}"


def own_files(root: Path = cache.ROOT) -> Iterator[Path]:
    """Give the files of our own tree that a wheel is made from."""
    for pattern in OWN:
        for path in root.glob(pattern):
            if path.is_file() and (not pattern.endswith("**/*") or path.suffix in PACKAGED):
                yield path


def copy(files: Iterator[Path], root: Path, folder: Path) -> list[Path]:
    """Copy files below `root` into a folder; return them there. What is hashed and built is then one state."""
    copied = []
    for file in files:
        place = folder / file.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
        copied.append(place)
    return copied
