"""What bitbake unpacks: PyPI's source packages, as recipes name them, and Debian's files of the target."""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
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
    """Return a folder with source packages of PyPI, each checked; those of other releases lie there, too."""
    folder = cache.home() / "yocto" / "sdists"
    folder.mkdir(parents=True, exist_ok=True)
    with cache.locked("yocto-sdists"):
        there = {checksum(file) for file in folder.iterdir()}
        missing = sorted(sdist for sdist in set(wanted) if sdist.sha256 not in there)
        if missing:
            say(f"downloading {len(missing)} source packages from PyPI")
        for sdist in missing:
            download(sdist, folder)
    return folder


def download(sdist: Sdist, folder: Path) -> None:
    """Put one source package into a folder when it is whole, and what the recipe asks for."""
    with tempfile.TemporaryDirectory(dir=cache.home()) as name:
        options = ["-q", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest", name]
        host.checked([*pip(), "download", *options, f"{sdist.name}=={sdist.version}"], 300)
        (file,) = Path(name).iterdir()
        if checksum(file) != sdist.sha256:
            raise Failure(f"PyPI's {file.name} is not what the recipe asks for: its sha256 is {checksum(file)}")
        file.chmod(0o644)
        file.rename(folder / file.name)


def checksum(file: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def pip() -> list[str]:
    """Return the command of a pip that builds no environment for each source package."""

    def make(folder: Path) -> None:
        say("making a Python environment for pip")
        if host.run([sys.executable, "-c", "import ensurepip"], 20).returncode != 0:
            host.install(["python3-venv"])
        host.checked([sys.executable, "-m", "venv", str(folder)], 120)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-U"]
        host.checked([*install, "setuptools", "wheel", "flit_core"], 300)

    # Its own programs name the folder that it was made in.
    python = cache.entry("yocto-pip", cache.digest(sys.version, "setuptools wheel flit_core"), make) / "bin" / "python"
    return [str(python), "-m", "pip", "--disable-pip-version-check"]


def release() -> Path:
    """Return the folder of the release tarball that the recipes name, made from its commit."""
    script = cache.ROOT / "board" / "release-tarball"
    pinned = sorted((cache.ROOT / "yocto-layer").rglob("*-release.inc"))

    def make(folder: Path) -> None:
        host.checked([sys.executable, str(script), "--output", str(folder)], 120)

    return cache.entry("yocto-release", cache.digest(script, *pinned), make)


def target_root(machine: Machine) -> Path:
    """Return a folder with Debian's headers and libraries of Python and libffi for a machine."""
    archive = Archive(machine.debian)
    packages = archive.alone(TARGET_PACKAGES)
    key = cache.digest(*(f"{package.file} {package.hash}" for package in packages))
    return cache.entry(f"yocto-{machine.debian}", key, lambda folder: archive.unpack(packages, folder))
