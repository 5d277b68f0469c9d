"""Small GET requests a second over 1 and 8 kept connections, against a bare loop around h11."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pvsched.bench.contest import Round, contest, single
from pvsched.bench.orphans import end_with_parent
from pvsched.bench.probe import QUESTION, whole
from pvsched.bench.rows import Effort, Row, Target, against
from pvsched.bench.service import Service, answers

TOPIC = "http"
HERE = "pvsched.bench.http"


def rows(effort: Effort) -> list[Row]:
    count = effort.count(4000, 500)
    found = []
    for connections in (1, 8):
        homes: dict[str, tuple[object, ...]] = {
            name: (f"{HERE}:{name}", connections, count) for name in ("ours", "h11_loop")
        }
        figures = single(contest(homes, effort.rounds))
        name = f"small GETs a second, {connections} kept connection{'s' if connections > 1 else ''}"
        target = Target(2.0, bound="least")
        found.append(against(TOPIC, name, "/s", figures["ours"], "bare h11 loop", figures.get("h11_loop"), target))
    return found


def measure(path: str, connections: int, count: int) -> float:
    """Requests a second: every connection has one question under way, until `count` are answered."""
    clients = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(connections)]
    for client in clients:
        client.connect(path)
    size = first_answer(clients)
    by_fd = {client.fileno(): client for client in clients}
    poll = select.epoll()
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    began, left = time.perf_counter(), count
    for client in clients:
        client.sendall(QUESTION)
    while left > 0:
        for fd, _ in poll.poll():
            client = by_fd[fd]
            got = len(client.recv(4096))
            while 0 < got < size:
                got += len(client.recv(4096))
            if not got:
                raise ConnectionError("the server closed a connection")
            left -= 1
            client.sendall(QUESTION)
    took = time.perf_counter() - began
    poll.close()
    for client in clients:
        client.close()
    return count / took


def first_answer(clients: list[socket.socket]) -> int:
    """Asks once on every connection; the length of an answer, which stays the same."""
    length = 0
    for client in clients:
        client.sendall(QUESTION)
        got = bytearray()
        while not (length := whole(got)) or len(got) < length:
            got += client.recv(4096)
    return length


@contextmanager
def ours(connections: float, count: float) -> Iterator[Round]:
    with Service(2) as service:
        yield lambda: measure(service.socket, int(connections), int(count))


@contextmanager
def h11_loop(connections: float, count: float) -> Iterator[Round]:
    import h11  # noqa: F401  (is it installed?)

    directory = tempfile.mkdtemp(prefix="pvsched-bench-")
    path = os.path.join(directory, "socket")
    server = subprocess.Popen([sys.executable, "-m", "pvsched.bench.h11_loop", path], preexec_fn=end_with_parent)
    try:
        while not answers(path):
            if server.poll() is not None:
                raise RuntimeError("the h11 loop could not begin")
            time.sleep(0.005)
        yield lambda: measure(path, int(connections), int(count))
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(directory)
