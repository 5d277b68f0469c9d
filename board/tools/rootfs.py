"""A guest's root file system: Debian 12 packages unpacked into a folder.

No maintainer script runs, so neither root, nor binfmt_misc, nor an emulator of the user mode is needed; what those
scripts would have done and a guest needs is done by `settle`.
"""

from __future__ import annotations

import py_compile
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from board.tools import cache, host
from board.tools.debian import Archive, Package
from board.tools.machine import Machine
from board.tools.progress import Failure, say

PACKAGES = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep"),
    *("gzip", "hostname", "libc-bin", "login", "mawk", "mount", "ncurses-base", "passwd", "procps", "sed", "tar"),
    *("util-linux", "python3", "busybox-static", "lxc", "kmod", "e2fsprogs", "iproute2", "curl", "strace", "psmisc"),
)
LEFT_OUT = tuple(f"usr/share/{name}" for name in ("doc", "man", "locale", "info", "lintian"))


def rootfs(machine: Machine) -> Path:
    """Return the folder of the root file system, made from Debian's packages if these have changed."""
    archive = Archive(machine.arch)
    packages = archive.closure(PACKAGES)

    def make(folder: Path) -> None:
        host.need({"dpkg-deb": "dpkg"})
        archive.fetch(packages)
        say(f"unpacking {len(packages)} packages for {machine.arch}")
        for name in ("bin", "sbin", "lib"):
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")
        unpack(archive, packages, folder)
        settle(folder)
        compile_library(folder / "usr" / "lib" / "python3.11")

    return cache.entry(f"rootfs-{machine.arch}", cache.digest(Path(__file__), *(repr(p) for p in packages)), make)


def unpack(archive: Archive, packages: Sequence[Package], folder: Path) -> None:
    """Unpack packages over each other; Debian's /bin, /sbin and /lib are links into /usr."""
    for file in archive.fetch(packages):
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE) as reader:
            command = ["tar", "-x", "-p", "--keep-directory-symlink", "-C", str(folder)]
            subprocess.run([*command, *(f"--exclude=./{path}/*" for path in LEFT_OUT)], stdin=reader.stdout, check=True)
        if reader.returncode != 0:
            raise Failure(f"dpkg-deb could not read {file.name}")


def settle(folder: Path) -> None:
    """Do what the packages' scripts would have done, as far as a guest needs it."""
    etc = folder / "etc"
    for name in ("passwd", "group"):
        shutil.copy(folder / "usr" / "share" / "base-passwd" / f"{name}.master", etc / name)
    (etc / "shadow").write_text("root::19700:0:99999:7:::\n")
    (etc / "hostname").write_text("pvsched\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (etc / "resolv.conf").write_text("")
    (etc / "machine-id").write_text("")
    for name in ("src", "share", "run-job", "root", "tmp", "proc", "sys", "dev", "run", "mnt"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "etc" / "mtab").symlink_to("../proc/self/mounts")
    binaries = folder / "usr" / "bin"
    for link, target in {"sh": "dash", "awk": "mawk", "python3": "python3.11"}.items():
        if not (binaries / link).is_symlink() and not (binaries / link).exists():
            (binaries / link).symlink_to(target)


def compile_library(folder: Path) -> None:
    """Write Python's byte code where this Python has the guest's version: emulated, compiling is slow."""
    if sys.version_info[:2] != (3, 11):
        return
    base = str(folder).split("/usr/")[0]
    for path in sorted(folder.rglob("*.py")):
        if "lib2to3/tests" in str(path):
            continue
        try:
            inside = str(path).removeprefix(base)
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(path), dfile=inside, doraise=True, invalidation_mode=mode)
        except (py_compile.PyCompileError, SyntaxError, ValueError):
            continue  # a template that is not meant to compile
