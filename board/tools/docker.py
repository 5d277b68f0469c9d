"""A Docker daemon of our own: its own folder, its own socket, no network of its own, gone when we are."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from board.tools import host
from board.tools.progress import Failure, say

BEGIN = 60.0  # seconds until it answers
END = 30.0


@contextlib.contextmanager
def daemon(folder: Path) -> Iterator[dict[str, str]]:
    """Run a daemon over a folder; give the environment in which `docker` talks to it."""
    if os.geteuid() != 0:
        raise Failure("a Docker daemon needs root", "sudo board/cibuildwheel-local")
    host.need({"dockerd": "docker.io"})
    folder.mkdir(parents=True, exist_ok=True)
    socket = f"unix://{folder}/socket"
    command = [
        "dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false", f"--host={socket}",
        f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid",
    ]  # fmt: skip
    (folder / "pid").unlink(missing_ok=True)
    # Debian's client beside Debian's daemon, whatever else is on the path
    environment = {**os.environ, "PATH": f"/usr/bin:/usr/sbin:{host.PATH}", "DOCKER_HOST": socket}
    say("starting a Docker daemon")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        wait(process, environment, folder / "log")
        yield environment
    finally:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        host.run(["umount", f"{folder}/exec/netns/default"], 20)  # dockerd leaves it mounted, and the folder busy


def wait(process: subprocess.Popen[bytes], environment: dict[str, str], log: Path) -> None:
    """Wait until the daemon answers."""
    end = time.monotonic() + BEGIN
    while host.run(["docker", "version"], 20, environment).returncode != 0:
        if process.poll() is not None or time.monotonic() > end:
            raise Failure(f"dockerd does not answer: {host.last_line(log.read_text(errors='replace'))}")
        time.sleep(0.2)


def load(layer: Path, name: str, arch: str, folder: Path, environment: dict[str, str]) -> None:
    """Give the daemon an image of one layer for another architecture (`docker import` would call it this machine's)."""
    layers = {"type": "layers", "diff_ids": [f"sha256:{sha256_of(layer)}"]}
    config = {"architecture": arch, "os": "linux", "config": {}, "rootfs": layers}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(folder / "manifest.json", "manifest.json")
        tar.add(folder / "config.json", "config.json")
        tar.add(layer, "layer.tar")
    host.checked(["docker", "load", "--input", str(archive)], 900, environment)
    archive.unlink()


def sha256_of(path: Path) -> str:
    """Return a large file's hash."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()
