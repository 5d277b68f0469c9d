"""Debian packages of any architecture, without touching the host's own package state.

An `Archive` is a private apt: its own lists and its own empty status, the host's Debian sources and network settings.
So no `dpkg --add-architecture`, no root, and the whole closure of a package is what apt says it is.

    archive = Archive("armhf")
    packages = archive.closure(["python3-minimal"])    # with everything that they depend on
    archive.unpack(packages, folder)
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from board.tools import cache, host
from board.tools.progress import Failure, say

RELEASE = "bookworm"
FRESH = 3 * 24 * 3600  # seconds for which lists of packages are taken as they are
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# 'uri' file size hash, as `apt-get --print-uris` writes them
PRINTED = re.compile(r"^'[^']+' (\S+\.deb) \d+ (\S+)", re.MULTILINE)
NOT_FOUND = re.compile(r"404|Failed to fetch|Hash Sum mismatch")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package file: its name and version as the file's name gives them, and what its contents hash to."""

    file: str
    hash: str

    @property
    def name(self) -> str:
        """Return the package's name."""
        return self.file.split("_", 1)[0]

    @property
    def version(self) -> str:
        """Return the package's version."""
        return unquote(self.file.split("_")[1])


class Archive:
    """The packages of one architecture, as the host's Debian mirrors offer them."""

    def __init__(self, arch: str, folder: Path | None = None, release: str = RELEASE) -> None:
        self.arch, self.release = arch, release
        name = arch if release == RELEASE else f"{release}-{arch}"
        self.folder = folder or cache.home() / "apt" / name
        self.files = self.folder / "files"  # not apt's own cache: it does not name what it has there
        for part in ("state/lists/partial", "cache/archives/partial", "files"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)

    def closure(self, names: Iterable[str]) -> list[Package]:
        """Return the packages and all that they depend on, in order of name."""
        return self._asked("install", *sorted(names))

    def alone(self, names: Iterable[str]) -> list[Package]:
        """Return these packages without what they depend on: headers for a sysroot, a kernel."""
        return self._asked("download", *sorted(names))

    def fetch(self, packages: Iterable[Package]) -> list[Path]:
        """Download what is not there yet; return the files. apt checks each against the signed lists."""
        wanted = list(packages)
        missing = [package for package in wanted if not self._file(package).exists()]
        with cache.locked(f"apt-{self.arch}"):
            for begin in range(0, len(missing), 100):
                some = missing[begin : begin + 100]
                say(f"downloading {len(some)} packages for {self.arch}")
                self._download([f"{package.name}={package.version}" for package in some])
        return [self._file(package) for package in wanted]

    def _download(self, names: Sequence[str]) -> None:
        """Download beside the files, then move: what an interrupt or a full disk cut off is never taken for whole."""
        part = self.folder / "files.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        self._apt("download", *names, where=part)
        for file in part.glob("*.deb"):
            file.rename(self.files / file.name)

    def unpack(self, packages: Iterable[Package], folder: Path) -> None:
        """Put the files of packages below a folder. No maintainer script runs."""
        for file in self.fetch(packages):
            host.checked(["dpkg-deb", "-x", str(file), str(folder)], 120)

    def _asked(self, *question: str) -> list[Package]:
        """Return what apt names; the answer is kept for as long as the lists are the same, for apt takes seconds."""
        with cache.locked(f"apt-{self.arch}"):
            self._refresh()
            lists = (self.folder / "state" / "refreshed").stat().st_mtime_ns
            kept = self.folder / "state" / f"answer-{cache.digest(str(lists), *question)}"
            if not kept.exists():
                said = self._apt(question[0], "--print-uris", *question[1:])
                kept.with_suffix(".part").write_text(said)
                kept.with_suffix(".part").rename(kept)
        found = sorted(Package(unquote(file), hashed) for file, hashed in PRINTED.findall(kept.read_text()))
        if not found:
            raise Failure(f"apt names no packages for {' '.join(question)} ({self.arch})")
        return found

    def _file(self, package: Package) -> Path:
        return self.files / package.file.replace(":", "%3a")

    def _refresh(self) -> None:
        """Get the lists of packages when there are none, or only old ones.

        A mirror in the middle of an update is tried again. The lists of updates may stay away then: the release's own
        names packages that fit together.
        """
        stamp = self.folder / "state" / "refreshed"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH:
            return
        say(f"getting Debian's lists of packages for {self.arch}")
        (self.folder / "status").touch()
        (self.folder / "sources.list").write_text("".join(f"{line}\n" for line in sources(self.release)))
        (self.folder / "apt.conf").write_text(self._settings())
        for attempt in range(3):
            time.sleep(3 * attempt)
            done = self._run("update", "-o", "APT::Update::Error-Mode=any")
            if done.returncode == 0:
                stamp.touch()
                return
        if not list((self.folder / "state" / "lists").glob(f"*_{self.release}_main_binary-{self.arch}_Packages*")):
            why = host.last_line(done.stdout)
            raise Failure(f"no lists of packages for {self.arch}: {why}", "look at the network, try again")
        say(f"going on without some lists of updates for {self.arch}: {first_error(done.stdout)}")
        stamp.touch()

    def _apt(self, *arguments: str, where: Path | None = None) -> str:
        """Run apt-get; when the mirror has moved on since the lists came, get them anew and run it once more."""
        done = self._run(*arguments, where=where)
        if done.returncode != 0 and NOT_FOUND.search(done.stdout):
            (self.folder / "state" / "refreshed").unlink(missing_ok=True)
            self._refresh()
            done = self._run(*arguments, where=where)
        if done.returncode != 0:
            raise Failure(f"apt-get {' '.join(arguments)[:100]} ({self.arch}): {done.stdout[-1000:]}")
        return done.stdout

    def _run(self, *arguments: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = ["apt-get", "-y", "-q", *arguments]
        environment = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C", "PATH": host.PATH}
        return subprocess.run(
            command, cwd=where or self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=900, check=False,
        )  # fmt: skip

    def _settings(self) -> str:
        """Return apt's settings: nothing of the host's but how it reaches the network."""
        network = host.checked(["apt-config", "dump", "Acquire"], 20)
        acquire = [line for line in network.splitlines() if line.startswith("Acquire::") and "IndexTargets" not in line]
        own = {
            "Dir::State": self.folder / "state", "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache", "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null", "Dir::Etc::parts": "/dev/null", "Dir::Etc::main": "/dev/null",
            "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": self.arch, "APT::Architectures": self.arch, "APT::Install-Recommends": "0",
            "APT::Sandbox::User": "", "Acquire::Languages": "none", "Acquire::Retries": "5",
            "Acquire::ForceHash": "SHA256", "Debug::NoLocking": "1",
        }  # fmt: skip
        return "\n".join([*acquire, *(f'{name} "{value}";' for name, value in own.items()), ""])


def first_error(said: str) -> str:
    """Return the first line in which apt complains."""
    return next((line for line in said.splitlines() if line.startswith(("E:", "Err:"))), host.last_line(said))


def sources(release: str = RELEASE) -> list[str]:
    """Return sources of a Debian release: from the places that the host's apt has Debian from."""
    form = "$(SITE)|$(RELEASE)|$(ORIGIN)"  # the origin is unknown before the first `apt-get update`
    said = host.run(["apt-get", "indextargets", "--format", form, "Created-By: Packages", "Component: main"], 30).stdout
    found = re.findall(r"^(\S+)\|(\w+)((?:-updates|-security)?)\|(?:Debian)?$", said, re.MULTILINE)
    known = [place for place in found if place[1] == release] or found
    if not known:
        raise Failure(
            "this machine's apt has no source of Debian", "add one to /etc/apt/sources.list, and: apt-get update"
        )
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    return list(dict.fromkeys(f"deb {signed}{site} {release}{suffix} main" for site, _, suffix in known))
