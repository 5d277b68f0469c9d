"""The packages that bitbake made, as a layer of a guest's root file system."""

from __future__ import annotations

import subprocess
from pathlib import Path

from board.tools import cache, host
from board.tools.progress import Failure, say

# Takes the wheels' place in the guest, before the tests begin.
SETTLE = "sh /src/board/guest/packages"


def layer(packages: Path) -> Path:
    """Return a folder with what all packages of a folder hold. As in Debian, /bin, /sbin and /lib are in /usr."""
    debs = sorted(packages.glob("*.deb"))
    if not debs:
        raise Failure(f"no packages in {packages}", "board/bitbake-offline --oe-core DIR --bitbake DIR")

    def make(folder: Path) -> None:
        say(f"unpacking {len(debs)} packages of {packages}")
        host.need({"dpkg-deb": "dpkg"})
        for name in ("bin", "sbin", "lib"):
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")
        for deb in debs:
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as reader:
                command = ["tar", "-x", "-p", "--keep-directory-symlink", "-C", str(folder)]
                subprocess.run(command, stdin=reader.stdout, check=True)
            if reader.returncode != 0:
                raise Failure(f"dpkg-deb could not read {deb.name}")
        folder.chmod(0o755)

    return cache.entry("yocto-layer", cache.digest(Path(__file__), *debs), make)
