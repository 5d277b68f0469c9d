"""Debian's kernel for a guest, and the small initrd that finds its root file system."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

from board.tools import cache, host
from board.tools.debian import Archive, Package
from board.tools.machine import Machine
from board.tools.progress import Failure, say

# What the initrd loads, in this order, each with what it needs
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_blk", "crc32c_generic", "ext4", "virtio_rng")
GUEST = cache.ROOT / "board" / "guest"


def kernel(machine: Machine) -> Path:
    """Return a folder with `vmlinuz`, and the kernel's modules as a layer of the root file system below `tree`."""
    archive = Archive(machine.arch)
    package = newest(archive.closure([machine.kernel]))

    def make(folder: Path) -> None:
        say(f"unpacking {package.name} {package.version}")
        host.need({"depmod": "kmod", "dpkg-deb": "dpkg"})
        archive.unpack([package], folder / "deb")
        image = next((folder / "deb" / "boot").glob("vmlinuz-*"))
        image.rename(folder / "vmlinuz")
        tree = folder / "tree" / "usr"
        tree.mkdir(parents=True)
        (folder / "deb" / "lib").rename(tree / "lib")
        shutil.rmtree(folder / "deb")
        release = image.name.removeprefix("vmlinuz-")
        (folder / "release").write_text(release)
        host.checked([str(host.find("depmod")), "-b", str(tree), release], 120)

    return cache.entry(f"kernel-{machine.arch}", cache.digest(package.file, package.hash, "1"), make)


def newest(packages: Sequence[Package]) -> Package:
    """Return the package of the kernel itself, not the one that only names it."""
    found = [package for package in packages if package.name.startswith("linux-image-") and package.name[12].isdigit()]
    if len(found) != 1:
        raise Failure(f"one kernel package expected, found {[package.name for package in found]}")
    return found[0]


def initrd(machine: Machine) -> Path:
    """Return a gzipped cpio archive: a static busybox, the modules, and `board/guest/init`."""
    base = kernel(machine)
    archive = Archive(machine.arch)
    busybox = archive.alone(["busybox-static"])
    key = cache.digest(base.name, *(package.hash for package in busybox), GUEST / "init", *MODULES)

    def make(folder: Path) -> None:
        host.need({"cpio": "cpio"})
        tree = folder / "tree"
        archive.unpack(busybox, folder / "busybox")
        for name in ("bin", "dev", "proc", "sys", "modules", "new"):
            (tree / name).mkdir(parents=True)
        shutil.copy(folder / "busybox" / "bin" / "busybox", tree / "bin" / "busybox")
        shutil.copy(GUEST / "init", tree / "init")
        (tree / "init").chmod(0o755)
        names = [copy.name for copy in copied_modules(base, tree / "modules")]
        (tree / "modules" / "order").write_text("".join(f"{name}\n" for name in names))
        said = host.checked(["sh", "-c", f"cd '{tree}' && find . | sort | cpio -o -H newc -R 0:0 --quiet >../cpio"], 60)
        if said.strip():
            raise Failure(f"cpio: {said}")
        (folder / "initrd").write_bytes(gzip.compress((folder / "cpio").read_bytes(), 6, mtime=0))
        (folder / "cpio").unlink()
        shutil.rmtree(tree)
        shutil.rmtree(folder / "busybox")

    return cache.entry(f"initrd-{machine.arch}", key, make) / "initrd"


def copied_modules(base: Path, folder: Path) -> list[Path]:
    """Copy the modules that the initrd loads, and what they need; return the copies in the order of loading."""
    modules = base / "tree" / "usr" / "lib" / "modules" / (base / "release").read_text()
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        needs[module_name(path)] = (path, needed.split())
    builtin = {module_name(line) for line in (modules / "modules.builtin").read_text().split()}
    order: list[str] = []
    for name in MODULES:
        if name in builtin:
            continue
        path, needed = needs[name]
        order += [module for module in [*reversed(needed), path] if module not in order]
    copies = []
    for module in order:
        copies.append(folder / module.rsplit("/", 1)[-1])
        shutil.copy(modules / module, copies[-1])
    return copies


def module_name(path: str) -> str:
    """Return a module's name from its file's: there a minus may stand for an underscore."""
    return path.rsplit("/", 1)[-1].removesuffix(".ko").replace("-", "_")
