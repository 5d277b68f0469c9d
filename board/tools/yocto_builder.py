"""The ordinary user as whom bitbake runs: it refuses to be root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from board.tools import host
from board.tools.progress import Failure, say

USER = "builder"
LOCALE = "en_US.UTF-8"
PATH = "/usr/bin:/bin:/usr/sbin:/sbin"

# What bitbake and the stub recipes take from the host: commands or files, and their Debian packages.
FILES = {
    "/usr/bin/chrpath": "chrpath",
    "/usr/bin/diffstat": "diffstat",
    "/usr/bin/gawk": "gawk",
    "/usr/bin/lz4c": "lz4",
    "/usr/bin/zstd": "zstd",
    "/usr/bin/cpio": "cpio",
    "/usr/bin/file": "file",
    "/usr/bin/localedef": "locales",
    "/usr/share/i18n/locales/en_US": "locales",
    "/usr/bin/wget": "wget",
    "/usr/bin/quilt": "quilt",
    "/usr/bin/patch": "patch",
    "/usr/bin/pseudo": "pseudo",
    "/usr/lib/rpm/rpmdeps": "rpm",
    "/usr/bin/debugedit": "debugedit",
    "/usr/bin/unzip": "unzip",
    "/usr/bin/pkg-config": "pkg-config",
    "/usr/include/x86_64-linux-gnu/ffi.h": "libffi-dev",
    "/usr/bin/gcc": "gcc",
    "/usr/bin/g++": "g++",
    "/usr/bin/make": "make",
    "/usr/bin/git": "git",
    "/usr/bin/bzip2": "bzip2",
    "/usr/bin/xz": "xz-utils",
    "/usr/bin/perl": "perl",
    "/usr/bin/python3.11": "python3.11",
    "/usr/bin/python3": "python3",
    "/usr/include/python3.11/Python.h": "libpython3.11-dev",
    "/usr/sbin/runuser": "util-linux",
    "/usr/bin/arm-linux-gnueabihf-gcc": "gcc-arm-linux-gnueabihf",
    "/usr/bin/arm-linux-gnueabihf-g++": "g++-arm-linux-gnueabihf",
    "/usr/arm-linux-gnueabihf/lib/libc.so": "libc6-dev-armhf-cross",
    "/usr/bin/aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "/usr/bin/aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "/usr/aarch64-linux-gnu/lib/libc.so": "libc6-dev-arm64-cross",
}


def prepare() -> None:
    """See to it that the host has what bitbake needs: packages, a locale, the user."""
    missing = sorted({package for file, package in FILES.items() if package and not Path(file).exists()})
    if missing:
        host.install(missing)
    if LOCALE.lower().replace("-", "") not in host.checked(["locale", "-a"], 20).lower().splitlines():
        _as_root(["localedef", "-i", "en_US", "-f", "UTF-8", LOCALE])
    if os.geteuid() == 0 and not _exists(USER):
        _as_root(["useradd", "--system", "--create-home", "--shell", "/bin/bash", USER])


def own(folder: Path) -> Path:
    """Make a folder that the builder may write; everything above it must let the builder through."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(USER)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        if host.run(["runuser", "-u", USER, "--", "test", "-w", str(folder)], 20).returncode != 0:
            hint = "name a folder that everyone reaches: PVSCHED_BOARD_CACHE=/var/tmp/pvsched-board"
            raise Failure(f"the user {USER} cannot reach {folder}", hint)
    return folder


def run(programs: Path, arguments: Sequence[str], where: Path, limit: float, output: TextIO) -> int:
    """Run `bitbake` out of the folder `programs` as the ordinary user; return its exit status."""
    environment = {"HOME": str(where), "PATH": f"{programs}:{PATH}", "LANG": LOCALE, "LC_ALL": LOCALE, "TERM": "dumb"}
    prefix = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), "bitbake"]
    if os.geteuid() == 0:
        prefix = ["runuser", "-u", USER, "--", *prefix]
    child = subprocess.Popen(
        [*prefix, *arguments], cwd=where, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    try:
        return child.wait(limit)
    except BaseException as gone:
        _stop(child)
        subprocess.run([*prefix, "--kill-server"], cwd=where, stdout=output, stderr=output, timeout=60, check=False)
        if isinstance(gone, subprocess.TimeoutExpired):
            raise Failure(f"bitbake {' '.join(arguments)} did not end within {limit:.0f} s") from gone
        raise


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End bitbake: once it finishes what runs, twice it leaves that."""
    for sign in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        child.send_signal(sign)
        try:
            child.wait(15)
            return
        except subprocess.TimeoutExpired:
            continue


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _as_root(command: list[str]) -> None:
    if os.geteuid() != 0:
        raise Failure(f"the host lacks what `{' '.join(command)}` makes", f"sudo {' '.join(command)}")
    say(" ".join(command))
    host.checked([shutil.which(command[0], path=PATH) or command[0], *command[1:]], 120)
