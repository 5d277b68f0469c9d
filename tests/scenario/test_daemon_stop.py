"""Stopping: what was taken finishes, within a deadline; asked twice, it leaves at once."""

from __future__ import annotations

import hashlib
import signal
import socket

import pytest

from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import PATIENCE, DaemonProcess


def half_put(daemon: DaemonProcess, body: bytes) -> socket.socket:
    """A PUT of which the second half is still to come; a worker has it when this returns."""
    sha = hashlib.sha256(body).hexdigest()
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(daemon.socket))
    head = (
        f"PUT /objects/{sha} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    client.sendall(head.encode())
    # The worker answers this, so the task runs.
    assert client.recv(100).startswith(b"HTTP/1.1 100 ")
    client.sendall(body[: len(body) // 2])
    return client


def to_end(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_transfer_under_way_finishes(daemon: DaemonProcess, number: int) -> None:
    """New clients find no socket; the upload that had begun is stored and answered; the status is 0."""
    body = b"x" * 300_000
    with half_put(daemon, body) as client:
        daemon.signal(number)
        daemon.wait_told("STOPPING=1")
        assert not daemon.socket.exists()
        client.sendall(body[len(body) // 2 :])
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert daemon.ended() == 0
    daemon.start()
    assert len(daemon.get("/objects")) == 1


def test_an_idle_daemon_stops_at_once(make_daemon: MakeDaemon) -> None:
    """Idle keep-alive connections do not hold it up to its deadline (an hour here)."""
    daemon = make_daemon(config="[daemon]\ndrain_timeout = 3600\n").start()
    with socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(daemon.socket))
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert daemon.stop() == 0


def test_the_deadline_ends_what_does_not_finish(make_daemon: MakeDaemon) -> None:
    """A client that sends nothing more is closed, its upload leaves nothing, the status is 0."""
    daemon = make_daemon(config="[daemon]\ndrain_timeout = 0.2\n").start()
    with half_put(daemon, b"y" * 100_000) as client:
        assert daemon.stop() == 0
        assert b"HTTP/1.1 200" not in to_end(client)
    assert "the deadline for stopping is over" in daemon.log
    daemon.wait_until_gone()
    daemon.start()
    assert daemon.get("/objects") == []


def test_a_second_signal_stops_at_once(make_daemon: MakeDaemon) -> None:
    """Whatever the deadline says."""
    daemon = make_daemon(config="[daemon]\ndrain_timeout = 3600\n").start()
    with half_put(daemon, b"z" * 100_000):
        daemon.signal(signal.SIGTERM)
        daemon.wait_told("STOPPING=1")
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
    daemon.wait_until_gone()


def test_those_who_wait_for_events_are_answered(make_daemon: MakeDaemon) -> None:
    """A long poll does not hold up the end, and is not left without an answer."""
    daemon = make_daemon(config="[daemon]\ndrain_timeout = 3600\n").start()
    daemon.get("/objects")  # the scan of the start has ended: from here on nothing happens by itself
    with socket.socket(socket.AF_UNIX) as poll:
        poll.settimeout(PATIENCE)
        poll.connect(str(daemon.socket))
        poll.sendall(
            f"GET /events?after={daemon.get('/events')['next']}&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        daemon.wait_metric("pvsched_event_waiters 1")
        assert daemon.stop() == 0
        assert poll.recv(100).startswith(b"HTTP/1.1 200 ")
