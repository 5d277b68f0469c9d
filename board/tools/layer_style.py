"""What can be said of the layer without bitbake: oelint-adv's rules, and whether kas takes its files."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from board.tools import cache, host, yocto_sources
from board.tools.yocto_target import RELEASES

LAYER = cache.ROOT / "yocto-layer"
PACKAGES = ("oelint-adv==9.11.2", "kas==5.5")
LINTED = ("*.bb", "*.bbappend", "*.bbclass", "layer.conf")
# Rules that are not for us, each with the reason.
SUPPRESSED = {
    "oelint.vars.homepageping": "asks the network",
    "oelint.var.bbclassextend": "the daemon has no use on the build host",
    "oelint.bbclass.underscores": "openembedded-core's own classes have dashes: pvsched-sanity is in good company",
}
# The steps of kas that fetch and check out.
FETCHING = ("repo_setup_loop", "finish_setup_repos", "repos_checkout", "repos_apply_patches")


def tools() -> dict[str, str]:
    """Return the environment in which `python -m oelint_adv` and `python -m kas` run."""

    def make(folder: Path) -> None:
        host.checked([*yocto_sources.pip(), "install", "-q", "--target", str(folder), *PACKAGES], 600)

    folder = cache.entry("layer-tools", cache.digest(sys.version, *PACKAGES), make)
    return {**os.environ, "PYTHONPATH": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}{host.PATH}"}


def oelint(layer: Path) -> list[str]:
    """Return oelint-adv's findings of every severity, for both releases."""
    files = sorted(str(path) for kind in LINTED for path in layer.rglob(kind))
    suppress = [word for rule in SUPPRESSED for word in ("--suppress", rule)]
    found: list[str] = []
    for release in RELEASES:
        options = ["--quiet", "--jobs", "1", "--release", release, *suppress]
        done = host.run([sys.executable, "-m", "oelint_adv", *options, *files], 300, tools())
        lines = [line.replace(f"{layer}/", "") for line in done.stdout.splitlines() if ":oelint." in line]
        if done.returncode != 0 and not lines:
            lines = [f"oelint-adv: {host.last_line(done.stdout)}"]
        found += [line for line in lines if line not in found]
    return found


def kas(layer: Path, core: Path | None, bitbake: Path | None) -> list[str]:
    """Return what keeps kas from taking our files; with the repositories their commits are checked out as well."""
    with tempfile.TemporaryDirectory(prefix="kas-", dir=cache.home()) as place:
        return kas_in(Path(place), layer, core, bitbake)


def kas_in(place: Path, layer: Path, core: Path | None, bitbake: Path | None) -> list[str]:
    """Do that in an empty folder."""
    for name, repository in (("openembedded-core", core), ("bitbake", bitbake)):
        if repository is not None:
            clone = ["git", "-c", "safe.directory=*", "clone", "-q", "--shared", "-n", str(repository)]
            host.checked([*clone, str(place / name)], 120)
    skip = [] if core and bitbake else [word for step in FETCHING for word in ("--skip", step)]
    # kas wants the files inside of one repository: a copy serves a layer that lies anywhere.
    copy = place / "project"
    shutil.copytree(layer, copy / "yocto-layer")
    host.checked(["git", "init", "-q", str(copy)], 20)
    found = []
    for file in sorted((copy / "yocto-layer" / "kas").glob("qemu*.yml")):
        environment = {**tools(), "KAS_WORK_DIR": str(place)}
        done = host.run([sys.executable, "-m", "kas", "dump", *skip, str(file)], 300, environment)
        complaints = [line for line in done.stdout.splitlines() if " - ERROR" in line or " - WARNING" in line]
        if done.returncode != 0 or complaints:
            found.append(f"{file.name}: {'; '.join(complaints) or host.last_line(done.stdout)}")
    return found
