"""One build directory of bitbake: a release, a machine, and the layers over openembedded-core."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from board.tools import cache, host, yocto_builder
from board.tools.progress import Failure, say
from board.tools.yocto_target import MACHINES, Machine, Release

LIMIT = 1800  # seconds for one bitbake
STUB = cache.ROOT / "board" / "meta-stub"
# What bitbake says that a person who waits wants to see, and what no good build says.
NOTED = re.compile(r"^(ERROR|WARNING|Summary|NOTE: Tasks Summary)")
COMPLAINT = re.compile(r"QA Issue|^ERROR|^WARNING")


@dataclass
class Build:
    """A build directory below the cache. bitbake itself knows from its signatures what is to be made anew."""

    release: Release
    machine: Machine
    core: Path
    bitbake: Path
    layers: Sequence[Path]  # beside openembedded-core's and the stub
    mirrors: Sequence[Path]  # folders with source packages
    roots: dict[str, Path]  # Debian's files of the target, by machine
    name: str = ""
    complaints: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Return where it lies."""
        return cache.home() / "yocto" / "work" / (self.name or f"{self.release.name}-{self.machine.name}")

    def prepare(self) -> None:
        """Write the configuration, and copy our layers to where the ordinary user may read them."""
        for folder in (self.folder, self.folder / "conf", self._state("sstate"), self._state("downloads")):
            yocto_builder.own(folder)
        layers = [self.core / "meta", *(self._copied(layer) for layer in (STUB, *self.layers))]
        _write(self.folder / "conf" / "bblayers.conf", self._bblayers(layers))
        _write(self.folder / "conf" / "local.conf", self._local())

    def run(self, *arguments: str) -> bool:
        """Run bitbake; tell whether it succeeded and said nothing against what it built."""
        log = self.folder / "bitbake.log"
        began = log.stat().st_size if log.exists() else 0
        with log.open("a") as output:
            status = yocto_builder.run(self.bitbake / "bin", arguments, self.folder, LIMIT, output)
        with log.open() as text:
            text.seek(began)
            lines = text.read().splitlines()
        for line in lines:
            if NOTED.match(line):
                print(f"    {line}", file=sys.stderr, flush=True)
        self.complaints = [line for line in lines if COMPLAINT.search(line)]
        return status == 0 and not self.complaints

    def packages(self) -> Iterable[Path]:
        """Return the .deb files of the recipes that are no stubs."""
        stubs = {re.sub(r"_.*", "", path.stem) for path in (STUB / "recipes-target").glob("*.bb")}
        for deb in sorted(self.folder.glob("tmp*/deploy/deb/*/*.deb")):
            if host.checked(["dpkg-deb", "-f", str(deb), "OE"], 20).strip() not in stubs:
                yield deb

    def collect(self) -> list[Path]:
        """Put the packages, and nothing else, under `yocto/RELEASE/MACHINE`; return them."""
        place = cache.home() / "yocto" / self.release.name / self.machine.name
        part = place.with_name(place.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for deb in self.packages():
            shutil.copy(deb, part)
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
        return sorted(place.iterdir())

    def _state(self, name: str) -> Path:
        """Return a folder that the builds of one release share."""
        return cache.home() / "yocto" / name / self.release.name

    def _copied(self, layer: Path) -> Path:
        """Return a layer's copy; times are kept, so that bitbake parses again only what changed."""
        place = self.folder / "layers" / layer.name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(layer, place, symlinks=True)
        return place

    def _bblayers(self, layers: Iterable[Path]) -> str:
        lines = "".join(f"    {layer} \\\n" for layer in layers)
        return f'POKY_BBLAYERS_CONF_VERSION = "2"\nBBPATH = "${{TOPDIR}}"\nBBFILES ?= ""\nBBLAYERS ?= " \\\n{lines}"\n'

    def _local(self) -> str:
        mirrors = "".join(f"    file://.*/.* file://{mirror}/ https?://.*/.* file://{mirror}/ \\\n" for mirror in self.mirrors)
        lines = [
            'CONF_VERSION = "2"',
            'DISTRO = "stub"',
            f'MACHINE = "{self.machine.name}"',
            f'DL_DIR = "{self._state("downloads")}"',
            f'SSTATE_DIR = "{self._state("sstate")}"',
            f'PREMIRRORS = " \\\n{mirrors}"',
            'BB_DISKMON_DIRS = ""',
        ]
        for machine in MACHINES.values():
            lines += [f'STUB_TRIPLET:{machine.override} = "{machine.triplet}"']
            if machine.name in self.roots:
                lines += [f'STUB_ROOT:{machine.override} = "{self.roots[machine.name]}"']
        return "\n".join([*lines, ""])


def _write(file: Path, text: str) -> None:
    """Write what changed: bitbake parses anew when a file is newer."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def fail(build: Build) -> Failure:
    """Return what to tell of a build that did not succeed."""
    text = "\n  ".join([f"{build.release.name} {build.machine.name}: bitbake failed or complained", *build.complaints[:20]])
    return Failure(text, f"read {build.folder / 'bitbake.log'}", 1)
