"""What can be built: releases and machines, and what each needs of Debian and of openembedded-core's repositories."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from board.tools import cache, host
from board.tools.progress import Failure, say


@dataclass(frozen=True, slots=True)
class Release:
    """A Yocto release: the branch of openembedded-core, and bitbake's branch of its time."""

    name: str
    bitbake: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of openembedded-core, and what Debian calls its architecture."""

    name: str
    debian: str  # in names of packages
    triplet: str  # of the cross compiler


RELEASES = {release.name: release for release in (Release("scarthgap", "2.8"), Release("wrynose", "2.18"))}
MACHINES = {
    machine.name: machine
    for machine in (
        Machine("qemuarm", "armhf", "arm-linux-gnueabihf"),
        Machine("qemuarm64", "arm64", "aarch64-linux-gnu"),
    )
}


def checkout(repository: Path, branch: str, paths: tuple[str, ...] = ()) -> Path:
    """Return a folder with the files of a branch of a git repository: a clone, or a bare mirror."""
    commit = _commit(repository, branch)
    name = "bitbake" if not paths else "openembedded-core" if "meta" in paths else "meta-openembedded"

    def make(folder: Path) -> None:
        say(f"taking {name} {branch} ({commit[:12]}) out of {repository}")
        tar = folder / "files.tar"
        _git(repository, "archive", "--output", str(tar), commit, *paths)
        host.checked(["tar", "-x", "-f", str(tar), "-C", str(folder)], 120)
        tar.unlink()
        python = [str(folder / part) for part in ("lib", "meta/lib") if (folder / part).is_dir()]
        host.run(["/usr/bin/python3", "-m", "compileall", "-q", *python], 120)

    return cache.entry(f"yocto-{name}", commit[:16], make)


def layer(folder: Path) -> Path:
    """Return a layer's folder; misuse if it is none: in an empty one there would be nothing to find fault with."""
    if not (folder / "conf" / "layer.conf").is_file():
        raise Failure(
            f"{folder} is no layer: it has no conf/layer.conf", "the folder that bblayers.conf would name", 100
        )
    return folder


def _commit(repository: Path, branch: str) -> str:
    if _run_git(repository, "rev-parse", "--git-dir").returncode != 0:
        raise Failure(
            f"{repository} is no git repository", "a clone of https://git.openembedded.org's, or a bare mirror", 100
        )
    for ref in (branch, f"origin/{branch}"):
        done = _run_git(repository, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if done.returncode == 0:
            return done.stdout.strip()
    raise Failure(f"{repository} has no branch {branch}", f"git -C {repository} fetch origin {branch}:{branch}")


def _git(repository: Path, *arguments: str) -> str:
    done = _run_git(repository, *arguments)
    if done.returncode != 0:
        raise Failure(f"git {arguments[0]} in {repository}: {host.last_line(done.stdout)}")
    return done.stdout


def _run_git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Someone else may own the repository.
    return host.run(["git", "-c", "safe.directory=*", "-C", str(repository), *arguments], 120)
