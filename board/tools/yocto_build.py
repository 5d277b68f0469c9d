"""One build directory of bitbake: a release, a machine, and the layers over openembedded-core."""

from __future__ import annotations

import filecmp
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from board.tools import cache, host, yocto_builder
from board.tools.progress import Failure
from board.tools.yocto_target import Machine, Release

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
    root: Path  # Debian's files of the target
    complaints: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Return where it lies. Both machines share it, and so what is built for the host."""
        return cache.home() / "yocto" / "work" / self.release.name

    def held(self) -> AbstractContextManager[None]:
        """Hold it from configuration to packages: another script's would be another machine's, with other layers."""
        return cache.locked(f"yocto-work-{self.folder.name}")

    def prepare(self) -> None:
        """Write the configuration, and copy our layers to where the ordinary user may read them."""
        for folder in (self.folder, self.folder / "conf"):
            yocto_builder.own(folder)
        self._forget_other_releases()
        layers = [self.core / "meta", *(self._copied(layer) for layer in (STUB, *self.layers))]
        _write(self.folder / "conf" / "bblayers.conf", self._bblayers(layers))
        _write(self.folder / "conf" / "local.conf", self._local())

    def _forget_other_releases(self) -> None:
        """Remove what an earlier commit's release left in DL_DIR by the same name: bitbake would warn of its hash."""
        for mirror in self.mirrors:
            for file in mirror.glob("*.tar.gz"):
                old = self.folder / "downloads" / file.name
                if old.exists() and not filecmp.cmp(old, file, shallow=False):
                    old.unlink()
                    old.with_name(old.name + ".done").unlink(missing_ok=True)

    def run(self, *arguments: str) -> bool:
        """Run bitbake; tell whether it succeeded and said nothing against what it built."""
        log = self.folder / "bitbake.log"
        with log.open("w") as output:
            status = yocto_builder.run(self.bitbake / "bin", arguments, self.folder, LIMIT, output)
        lines = log.read_text(errors="replace").splitlines()
        for line in lines:
            if NOTED.match(line):
                print(f"    {line}", file=sys.stderr, flush=True)
        self.complaints = [line for line in lines if COMPLAINT.search(line)]
        return status == 0 and not self.complaints

    def packages(self) -> Iterable[Path]:
        """Return this machine's .deb files of the recipes that are no stubs."""
        stubs = {re.sub(r"_.*", "", path.stem) for path in (STUB / "recipes-target").glob("*.bb")}
        for deb in sorted(self.folder.glob("tmp*/deploy/deb/*/*.deb")):
            recipe, arch = (self._field(deb, name) for name in ("OE", "Architecture"))
            if recipe not in stubs and arch in ("all", self.machine.debian):
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

    def _field(self, deb: Path, name: str) -> str:
        """Return a field of a package."""
        return host.checked(["dpkg-deb", "-f", str(deb), name], 20).strip()

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
        schemes = ("file", "https?")
        mirrors = "".join(f"    {s}://.*/.* file://{mirror}/ \\\n" for mirror in self.mirrors for s in schemes)
        lines = [
            'CONF_VERSION = "2"',
            'DISTRO = "stub"',
            f'MACHINE = "{self.machine.name}"',
            'SSTATE_DIR = "${TOPDIR}/sstate"',
            f'PREMIRRORS = " \\\n{mirrors}"',
            'BB_DISKMON_DIRS = ""',
            f'STUB_TRIPLET = "{self.machine.triplet}"',
            f'STUB_ROOT = "{self.root}"',
        ]
        return "\n".join([*lines, ""])


def _write(file: Path, text: str) -> None:
    """Write what changed: bitbake parses anew when a file is newer."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def fail(build: Build) -> Failure:
    """Return what to tell of a build that did not succeed."""
    what = f"{build.release.name} {build.machine.name}: bitbake failed or complained"
    text = "\n  ".join([what, *build.complaints[:20]])
    return Failure(text, f"read {build.folder / 'bitbake.log'}", 1)
