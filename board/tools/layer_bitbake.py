"""The layer under real bitbake and yocto-check-layer, of both releases, as an ordinary user.

The quick way hides openembedded-core's recipes behind the stub layer of `board/bitbake-offline`: every class and every
check is the real one. The whole way parses and signs the world; it alone sees a change of a recipe that is hidden here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from board.tools import cache, yocto_builder, yocto_target
from board.tools.progress import Failure
from board.tools.yocto_build import STUB, Build
from board.tools.yocto_target import MACHINES, Release

QUICK_LIMIT = 1200  # seconds for one command
WHOLE_LIMIT = 5400
RECIPES = ("pvsched", "pvsched-conf", "packagegroup-pvsched")
COMPLAINT = re.compile(r"^(INFO: )?(ERROR|WARNING|FAIL|FAILED)(:| )|\bFAIL$")
# Of meta-openembedded only what we have to do with is parsed: the one recipe, and what it needs.
META_OE = ("meta-oe", "meta-python")
HIDDEN = "/meta-oe/.*recipes- /meta-python/.*recipes-(?!devtools/python/python3-httptools_)"

# Nothing is built, so Debian's files of the target are not needed.
UNUSED = Path("/nonexistent")

Check = tuple[str, Callable[[], list[str]]]


@dataclass(frozen=True, slots=True)
class Sources:
    """What is checked, and with what."""

    layer: Path
    release: Release
    core: Path  # git repositories
    bitbake: Path
    meta_openembedded: Path | None


def checks(sources: Sources, whole: bool) -> list[Check]:
    """Return the checks of one release, in order; each returns its findings."""
    made: list[Check] = [
        ("bitbake -p, -e, -g", lambda: alone(Bench(sources, "bitbake", whole), Bench.parse)),
        ("yocto-check-layer", lambda: alone(Bench(sources, "check", whole), Bench.check_layer)),
    ]
    if sources.meta_openembedded is not None:
        made += [("beside meta-python", lambda: alone(Bench(sources, "meta-python", False), Bench.beside_meta_python))]
    return made


def alone(bench: Bench, check: Callable[[Bench], list[str]]) -> list[str]:
    """Run a check in its build directory, which a second script waits for; return the findings."""
    with bench.build.held():
        return check(bench)


@dataclass
class Place(Build):
    """A build directory of its own: one that builds packages at the same time is left alone."""

    name: str = ""

    @property
    def folder(self) -> Path:
        """Return where it lies."""
        return cache.home() / "yocto" / "work" / self.name


class Bench:
    """A build directory, its bitbake, and the layer's copy that the ordinary user may read."""

    def __init__(self, sources: Sources, purpose: str, whole: bool) -> None:
        release = sources.release
        yocto_builder.prepare()
        self.sources = sources
        self.whole = whole
        self.limit = WHOLE_LIMIT if whole else QUICK_LIMIT
        self.core = yocto_target.checkout(sources.core, release.name, ("meta", "scripts"))
        self.bitbake = yocto_target.checkout(sources.bitbake, release.bitbake)
        kind = "whole" if whole else "quick"
        name = f"layer-{release.name}-{purpose}-{kind}"
        self.build = Place(release, MACHINES["qemuarm"], self.core, self.bitbake, [], [], UNUSED, name=name)
        self.log = self.build.folder / "check.log"

    def prepare(self, layers: Sequence[Path], settings: str = "") -> None:
        """Write the configuration: openembedded-core, the stub unless the whole world is wanted, and `layers`."""
        folder = self.build.folder
        self.build.layers = list(layers)
        self.build.prepare()
        if self.whole:
            conf = folder / "conf" / "local.conf"
            conf.write_text(
                conf.read_text().replace('DISTRO = "stub"', 'DISTRO = "nodistro"')
                + 'BB_NO_NETWORK = "1"\nCONNECTIVITY_CHECK_URIS = ""\nINHERIT:remove = "uninative"\n'
            )
            conf = folder / "conf" / "bblayers.conf"
            conf.write_text(re.sub(rf"^.*/{STUB.name} \\\n", "", conf.read_text(), flags=re.MULTILINE))
        with (folder / "conf" / "local.conf").open("a") as file:
            file.write(settings)
        if os.geteuid() == 0:
            for file_or_backup in (folder / "conf").iterdir():
                shutil.chown(file_or_backup, yocto_builder.USER)  # yocto-check-layer rewrites bblayers.conf
        self.log.write_text("")

    def run(self, *command: str) -> list[str]:
        """Run a command as the ordinary user; return what it complained of, or nothing."""
        environment = {
            "HOME": str(self.build.folder),
            "PATH": f"{self.core / 'scripts'}:{self.bitbake / 'bin'}:{yocto_builder.PATH}",
            "LANG": yocto_builder.LOCALE,
            "TERM": "dumb",
            "BBPATH": str(self.build.folder),
            "BUILDDIR": str(self.build.folder),
        }
        words = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *command]
        if os.geteuid() == 0:
            words = ["runuser", "-u", yocto_builder.USER, "--", *words]
        began = self.log.stat().st_size
        with self.log.open("ab") as output:
            status = waited(words, self.build.folder, self.limit, output.fileno())
        said = self.log.read_bytes()[began:].decode(errors="replace").splitlines()
        complaints = [line.strip() for line in said if COMPLAINT.search(line)]
        if status != 0:
            return [f"{command[0]}: exit status {status}, see {self.log}", *complaints[:20]]
        return [line for line in complaints if line.startswith(("ERROR:", "WARNING:"))][:20]

    def parse(self) -> list[str]:
        """Parse everything, show one recipe's variables, resolve what the recipes depend on."""
        self.prepare([self.sources.layer])
        found = self.run("bitbake", "-p")
        return found or self.run("bitbake", "-e", "pvsched") or self.run("bitbake", "-g", *RECIPES)

    def check_layer(self) -> list[str]:
        """Run yocto-check-layer; the layer must not be in bblayers.conf before."""
        self.prepare([])
        for cached in self.build.folder.glob("tmp*/cache"):
            shutil.rmtree(cached)  # scarthgap's bitbake renews but a part, and stops with "Basehash mismatch"
        tested = self.build.folder / "tested" / "meta-pvsched"
        shutil.rmtree(tested.parent, ignore_errors=True)
        shutil.copytree(self.sources.layer, tested, symlinks=True)
        found = self.run("yocto-check-layer", str(tested))
        # It compares before and after: warnings of the parts are not its verdict.
        return found if found and found[0].startswith("yocto-check-layer: exit status") else []

    def beside_meta_python(self) -> list[str]:
        """With meta-python, its httptools is the only one, and ours is gone."""
        repository = self.sources.meta_openembedded
        assert repository is not None
        folder = yocto_target.checkout(repository, self.sources.release.name, META_OE)
        mask = f'BBMASK:append = " {HIDDEN}"\n'  # the distribution sets it after local.conf
        mask += "".join(f'BBFILE_PATTERN_IGNORE_EMPTY_{name} = "1"\n' for name in ("openembedded-layer", "meta-python"))
        self.prepare([self.sources.layer], mask)
        conf = self.build.folder / "conf" / "bblayers.conf"
        conf.write_text(conf.read_text() + f'BBLAYERS += "{folder / META_OE[0]} {folder / META_OE[1]}"\n')
        found = self.run("bitbake", "-e", "python3-httptools") or self.run("bitbake", "-g", *RECIPES)
        files = re.findall(r'^FILE="(.+)"', self.log.read_text(errors="replace"), re.MULTILINE)
        if not found and not any("/meta-python/" in file for file in files):
            found = [f"python3-httptools comes from {', '.join(files)}, not from meta-python"]
        return found


def waited(command: Sequence[str], where: Path, limit: float, output: int) -> int:
    """Run a command; return its exit status. One that overruns is killed with all it started, and its folder removed:
    yocto-check-layer would go on after SIGTERM, and leaves its configuration changed.
    """
    child = subprocess.Popen(
        command, cwd=where, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return child.wait(limit)
    except BaseException as gone:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        kill_server(where)
        shutil.rmtree(where / "conf", ignore_errors=True)
        if isinstance(gone, subprocess.TimeoutExpired):
            raise Failure(f"{command[-1]} did not end within {limit:.0f} s", f"read {where}/check.log") from gone
        raise


def kill_server(where: Path) -> None:
    """Kill bitbake's server of a build directory: its session is its own, and it parses on without a client."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((where / "bitbake.lock").read_text())
        if str(where).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.killpg(os.getpgid(pid), signal.SIGKILL)
