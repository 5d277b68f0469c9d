"""What the tests of objects share: a store in a directory, a task context, a client at the other end."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pvsched.objects.model import stage_name
from pvsched.objects.tasks import store_object

EMPTY = hashlib.sha256(b"").hexdigest()


def sha_of(content: bytes) -> str:
    """The name of an object."""
    return hashlib.sha256(content).hexdigest()


class FakeContext:
    """A task's context: lent descriptors, and a flag that says cancelled."""

    def __init__(self, **fds: int) -> None:
        self.fds = fds
        self.is_cancelled: Callable[[], bool] = lambda: False

        self.heard: list[float] = []

    def cancelled(self) -> bool:
        return self.is_cancelled()

    def progress(self, fraction: float, message: str = "") -> None:
        self.heard.append(fraction)


@contextmanager
def opened(directory: Path) -> Iterator[int]:
    """A descriptor of the store's directory."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def put_data(sha: str, length: int | None, **changes: Any) -> dict[str, Any]:
    """What the controller hands to `store_object`; a length of None is a chunked body."""
    data = {
        "sha256": sha,
        "stage": stage_name(sha, 1),
        "kind": "chunked" if length is None else "length",
        "length": length,
        "expect_continue": False,
        "max_size": 0,
        "reserved_percent": 0,
        "drain_limit": 1 << 30,
        "stall_timeout": 20.0,
        "min_rate": 0,
    }
    return {**data, **changes}


def get_data(sha: str, **changes: Any) -> dict[str, Any]:
    """What the controller hands to `send_object`."""
    data = {"sha256": sha, "range": None, "version": [1, 1], "keep_alive": True, "stall_timeout": 20.0, "min_rate": 0}
    return {**data, **changes}


class Sender(threading.Thread):
    """Sends what it is given, as a client does; then shuts its side down if `cut`."""

    def __init__(self, peer: socket.socket, content: bytes, cut: bool = False) -> None:
        super().__init__(daemon=True)
        self._peer = peer
        self._content = content
        self._cut = cut
        self.start()

    def run(self) -> None:
        with suppress(OSError):
            self._peer.sendall(self._content)
            if self._cut:
                self._peer.shutdown(socket.SHUT_WR)


def put(
    directory: Path, content: bytes, data: dict[str, Any], *, cut: bool = False, context: FakeContext | None = None
) -> tuple[dict[str, Any], bytes, bytes]:
    """Runs one `store_object` over a real socket; returns its result, what it sent, and what it left unread."""
    peer, lent = socket.socketpair()
    with peer, lent, opened(directory) as store:
        lent.setblocking(False)
        context = context or FakeContext()
        context.fds = {"store": store, "client": lent.fileno()}
        sender = Sender(peer, content, cut)
        result = store_object(data, context)
        if not result["reusable"]:
            lent.shutdown(socket.SHUT_RD)
        sender.join()
        return result, waiting(peer), waiting(lent)


def waiting(end: socket.socket) -> bytes:
    """Everything that can be read without waiting."""
    found = b""
    with suppress(OSError):
        while part := end.recv(1 << 20, socket.MSG_DONTWAIT):
            found += part
    return found


def chunked(*parts: bytes) -> bytes:
    """A chunked body of these chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def files(directory: Path) -> dict[str, bytes]:
    """Name -> content of everything in the store."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}
