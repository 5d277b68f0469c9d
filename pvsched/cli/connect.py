"""Finding the daemon's socket: the first place where somebody answers, or why there is none."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Sequence

from pvsched.cli.failure import CommandError, system

START = "start the daemon with: pvsched run   (or name its socket: --socket PATH)"


def readable(sock: socket.socket, seconds: float) -> bool:
    return bool(select.select([sock], [], [], seconds)[0])


def writable(sock: socket.socket, seconds: float | None) -> bool:
    return bool(select.select([], [sock], [], seconds)[1])


def connect(paths: Sequence[str], timeout: float | None) -> tuple[socket.socket, str]:
    """The first socket that somebody answers at. CommandError (111) says what was tried, and why each failed."""
    tried: list[tuple[str, OSError]] = []
    for path in paths:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(path)
            return sock, path
        except OSError as problem:
            sock.close()
            tried.append((path, problem))
    raise nobody(tried)


def nobody(tried: Sequence[tuple[str, OSError]]) -> CommandError:
    """Why no socket could be used: the places that do not exist are only named."""
    for path, problem in tried:
        if isinstance(problem, PermissionError):
            hint = "use sudo, or join the socket's group: ls -l " + path
            return system(f"{path} may not be opened by this user", hint, code="no-permission")
    there = [f"{path}: {problem.strerror or problem}" for path, problem in tried if problem.errno != errno.ENOENT]
    missing = [path for path, problem in tried if problem.errno == errno.ENOENT]
    looked = [f"there is no {', '.join(missing)}"] if missing else []
    return system("no daemon answers: " + "; ".join([*there, *looked]), START, code="no-daemon")
