"""A stand-in for the daemon: a real unix socket whose answers the test writes."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Handler = Callable[["StandIn", socket.socket, bytes, bytes], None]


class StandIn:
    """Answers each request with what `answers[method, target]` says: bytes to send, or a function of the request."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.answers: dict[tuple[str, str], bytes | Callable[[socket.socket, bytes, bytes], bool]] = {}
        self.requests: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen()
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def json(self, method: str, target: str, document: Any, status: str = "200 OK") -> None:
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.answers[method, target] = head.encode() + body

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(client,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                while self._one(client):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                return

    def _one(self, client: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            block = client.recv(65536)
            if not block:
                return False
            data += block
        head, _, rest = data.partition(b"\r\n\r\n")
        method, target = head.split(b" ")[:2]
        self.requests.append(head)
        answer = self.answers[method.decode(), target.decode()]
        if callable(answer):
            return answer(client, head, rest)
        self.bodies.append(read_body(client, head, rest))
        client.sendall(answer)
        return True

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)
        os.unlink(self.path)


def read_body(client: socket.socket, head: bytes, rest: bytes) -> bytes:
    """The body of a request, after 100 Continue where the client asks for it."""
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
        if line.startswith(b"expect:"):
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(rest) < length:
        block = client.recv(65536)
        if not block:
            break
        rest += block
    return rest


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A stand-in at the socket that PVSCHED_SOCKET names."""
    made = StandIn(str(tmp_path / "pv-ctrl"))
    monkeypatch.setenv("PVSCHED_SOCKET", made.path)
    yield made
    made.close()


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A socket path where no daemon listens."""
    path = str(tmp_path / "nobody")
    monkeypatch.setenv("PVSCHED_SOCKET", path)
    return path


NOW = 1000.0
RUNNING = {
    "id": 7,
    "type": "object_put",
    "state": "running",
    "lane": "objects",
    "priority": 5,
    "queued_at": NOW - 3,
    "started_at": NOW - 2,
    "worker": 4242,
}
WAITING = {
    "id": 8,
    "type": "object_put",
    "state": "queued",
    "lane": "objects",
    "priority": 5,
    "queued_at": NOW - 1.5,
    "started_at": None,
    "reasons": ["lane objects is at its limit"],
    "reason": "lane objects is at its limit",
}
ENDED = {
    "id": 6,
    "type": "scan",
    "outcome": "failed",
    "queued_at": NOW - 9,
    "started_at": NOW - 8,
    "ended_at": NOW - 7,
    "error": {"reason": "raised", "message": "OSError: no\x1b[2J disk"},
}
METRICS = """\
# TYPE pvsched_tasks_ended counter
pvsched_tasks_ended_total{type="scan",outcome="succeeded"} 3
pvsched_tasks_ended_total{type="scan",outcome="failed"} 1
pvsched_tasks_longest_wait_seconds 1.5
pvsched_workers 2
pvsched_objects 1
pvsched_objects_bytes 2048
pvsched_memory_bytes 13000000
# EOF
"""


@pytest.fixture
def working(daemon: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A daemon with one running, one waiting and one failed task, at a fixed time."""
    monkeypatch.setattr("time.monotonic", lambda: NOW)
    daemon.json("GET", "/healthz", {"status": "running", "version": "0.1.0", "pid": 1, "uptime": 60.0})
    daemon.json("GET", "/tasks", {"running": [RUNNING], "waiting": [WAITING], "ended": [ENDED], "pending": 2})
    daemon.answers["GET", "/metrics"] = f"HTTP/1.1 200 OK\r\nContent-Length: {len(METRICS)}\r\n\r\n{METRICS}".encode()
    return daemon
