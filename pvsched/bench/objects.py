"""PUT and GET of a 64 MiB object against what bounds them: SHA-256 in one thread, and a bare sendfile.

PUT is measured twice: in memory (tmpfs), where fsync costs nothing, and on the disk of temporary files, fsync and all.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pvsched.bench.contest import Round, contest, single
from pvsched.bench.family import private, weighed
from pvsched.bench.load import MIB, Load, Source, connect, get, put
from pvsched.bench.rows import Effort, Row, Target, against, alone
from pvsched.bench.service import Service

TOPIC = "objects"
HERE = "pvsched.bench.objects"
MEMORY = "/dev/shm"
BLOCK = 1 << 18


def rows(effort: Effort) -> list[Row]:
    size = 64 * MIB if effort.scale >= 0.5 else 16 * MIB
    homes: dict[str, tuple[object, ...]] = {
        "memory": (f"{HERE}:in_memory", size),
        "disk": (f"{HERE}:on_disk", size),
        "sha256": (f"{HERE}:sha256", size),
        "sendfile": (f"{HERE}:sendfile", size),
    }
    found = contest(homes, effort.rounds)
    mb = {name: [size / 1e6 / rounds[""] for rounds in found[name]] for name in ("sha256", "sendfile")}
    put_memory, put_disk = ([size / 1e6 / one["put"] for one in found[name]] for name in ("memory", "disk"))
    get_memory = [size / 1e6 / one["get"] for one in found["memory"]]
    what = f"{size // MIB} MiB"
    hashed = "SHA-256, one thread"
    return [
        against(TOPIC, f"PUT {what}, new", "MB/s", put_memory, hashed, mb["sha256"], Target(0.6, bound="least")),
        against(TOPIC, f"PUT {what}, new, fsync on disk", "MB/s", put_disk, hashed, mb["sha256"]),
        against(TOPIC, f"GET {what}", "MB/s", get_memory, "sendfile", mb["sendfile"], Target(0.5, bound="least")),
        *([weight(size, effort)] if weighed() else []),
    ]


def weight(size: int, effort: Effort) -> Row:
    """Private memory of the whole family at its highest while objects are put, over what it was idle."""
    found = single(contest({"ours": (f"{HERE}:put_weight", size)}, min(3, effort.rounds)))
    target = Target(2.0, of="value")
    return alone(
        TOPIC, f"PUT {size // MIB} MiB, memory over idle", "MB", found["ours"], target, note="private, all processes"
    )


@contextmanager
def served(size: float, parent: str | None) -> Iterator[Round]:
    with Service(2, parent) as service:
        source, client, buffer = (
            Source(parent or tempfile.gettempdir(), int(size)),
            connect(service.socket),
            bytearray(MIB),
        )

        def round_of() -> dict[str, float]:
            sha = source.turn()
            took = {"put": put(client, source, sha), "get": get(client, sha, int(size), buffer)}
            os.unlink(os.path.join(service.objects(), sha))
            return took

        yield round_of
        client.close()


def in_memory(size: float) -> Iterator[Round]:
    return served(size, MEMORY if os.path.isdir(MEMORY) else None)  # type: ignore[return-value]


def on_disk(size: float) -> Iterator[Round]:
    return served(size, None)  # type: ignore[return-value]


@contextmanager
def sha256(size: float) -> Iterator[Round]:
    block = os.urandom(BLOCK)

    def round_of() -> float:
        found = hashlib.sha256()
        began = time.perf_counter()
        for _ in range(int(size) // BLOCK):
            found.update(block)
        found.hexdigest()
        return time.perf_counter() - began

    yield round_of


@contextmanager
def sendfile(size: float) -> Iterator[Round]:
    """One process sends a cached file with sendfile, this one reads it, as the client of a GET does."""
    source, buffer = Source(MEMORY if os.path.isdir(MEMORY) else tempfile.gettempdir(), int(size)), bytearray(MIB)
    source.turn()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    pid = os.fork()
    if pid == 0:
        ours.close()
        while theirs.recv(1):
            offset = 0
            while offset < int(size):
                offset += os.sendfile(theirs.fileno(), source.fd, offset, MIB)
        os._exit(0)
    theirs.close()

    def round_of() -> float:
        began = time.perf_counter()
        ours.sendall(b"g")
        left = int(size)
        while left:
            left -= ours.recv_into(buffer, min(MIB, left))
        return time.perf_counter() - began

    yield round_of
    ours.close()
    os.waitpid(pid, 0)


@contextmanager
def put_weight(size: float) -> Iterator[Round]:
    """Megabytes over idle, the most of some samples while PUTs run back to back."""
    with Service(2) as service:

        def warm() -> None:
            client = connect(service.socket)
            source = Source(service.directory, MIB)
            for _ in range(4):
                put(client, source, source.turn())
            client.close()

        def round_of() -> float:
            idle = private(service.family())
            load = Load(service.socket, service.directory, int(size), ("put",), service.objects())
            try:
                load.start()
                most = max(private(service.family()) for _ in range(100))
                load.stop()
            finally:
                load.abort()
            return (most - idle) / 1e6

        warm()
        yield round_of
