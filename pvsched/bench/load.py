"""The load of a measurement: puts and gets real objects back to back until its standard input ends.

A process of its own (`python -m pvsched.bench.load SOCKET DIRECTORY SIZE put,get STORE`), so that it disturbs the one
that measures as little as another client would. Every PUT is a new object: the last 64 bytes of the file are other ones
each time, which costs one short hash and not one of 64 MiB. What was stored is unlinked again: the disk does not fill.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from pvsched.bench.orphans import end_with_parent

TAIL = 64
MIB = 1 << 20


class Source:
    """A file of so many random bytes whose tail, and so whose name, is new at every turn."""

    def __init__(self, directory: str, size: int) -> None:
        self.size = size
        self.path = os.path.join(directory, f"load-{os.getpid()}")
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.unlink(self.path)
        self.head = hashlib.sha256()
        left = size - TAIL
        while left:
            block = os.urandom(min(MIB, left))
            os.write(self.fd, block)
            self.head.update(block)
            left -= len(block)

    def turn(self) -> str:
        """The name of the next object."""
        tail = os.urandom(TAIL)
        os.pwrite(self.fd, tail, self.size - TAIL)
        name = self.head.copy()
        name.update(tail)
        return name.hexdigest()


def connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(path)
    return client


def put(client: socket.socket, source: Source, sha: str) -> float:
    """Seconds from the request to its answer."""
    began = time.perf_counter()
    client.sendall(f"PUT /objects/{sha} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {source.size}\r\n\r\n".encode())
    offset = 0
    while offset < source.size:
        offset += os.sendfile(client.fileno(), source.fd, offset, min(MIB, source.size - offset))
    answer = client.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"PUT was answered {answer[:60]!r}")
    return time.perf_counter() - began


def get(client: socket.socket, sha: str, size: int, buffer: bytearray) -> float:
    """Seconds from the request to the last byte of its body, which is thrown away."""
    began = time.perf_counter()
    client.sendall(f"GET /objects/{sha} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    count = client.recv_into(buffer)
    while (end := buffer.find(b"\r\n\r\n", 0, count)) < 0 and count:
        count += client.recv_into(memoryview(buffer)[count:])
    if not buffer.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"GET was answered {bytes(buffer[:60])!r}")
    left = size - (count - end - 4)
    while left:
        more = client.recv_into(buffer, min(len(buffer), left))
        if not more:
            raise ConnectionError(f"GET ended {left} bytes early")
        left -= more
    return time.perf_counter() - began


def work(path: str, directory: str, size: int, verbs: Sequence[str], store: str) -> dict[str, list[float]]:
    """Puts and gets until standard input ends. Seconds of each."""
    source, client, buffer = Source(directory, size), connect(path), bytearray(MIB)
    took: dict[str, list[float]] = {"put": [], "get": []}
    sha = source.turn()
    if "put" not in verbs:
        put(client, source, sha)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([0], [], [], 0)[0]:
        if "put" in verbs:
            sha = source.turn()
            took["put"].append(put(client, source, sha))
        if "get" in verbs:
            took["get"].append(get(client, sha, size, buffer))
        if "put" in verbs:
            os.unlink(os.path.join(store, sha))
    if "put" not in verbs:
        os.unlink(os.path.join(store, sha))
    client.close()
    return took


class Load:
    """The other process. start() returns when its file is made; stop() gives what it measured."""

    def __init__(self, path: str, directory: str, size: int, verbs: Sequence[str], store: str) -> None:
        arguments = [path, directory, str(size), ",".join(verbs), store]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pvsched.bench.load", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )

    def start(self) -> None:
        assert self.process.stdout is not None
        if self.process.stdout.readline() != b"ready\n":
            self.abort()
            raise ConnectionError("the load could not begin; its reason is above")

    def stop(self) -> dict[str, list[float]]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None
        text, _ = self.process.communicate(timeout=120)
        if self.process.returncode:
            raise ConnectionError("the load broke off; its reason is above")
        found: dict[str, list[float]] = json.loads(text)
        return found

    def abort(self) -> None:
        """Ends it at once; harmless when it has ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def main() -> int:
    path, directory, size, verbs, store = sys.argv[1:]
    took = work(path, directory, int(size), verbs.split(","), store)
    sys.stdout.write(json.dumps(took))
    return 0


if __name__ == "__main__":
    sys.exit(main())
