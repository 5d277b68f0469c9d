"""Row D3 of the fault table, on a real daemon and clock: slow and idle clients cost the others nothing."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from tests.patience import patience
from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import DaemonProcess

SLOW, IDLE, ASKED = 50, 1000, 1000
CONNECTIONS = 256
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(daemon: DaemonProcess) -> socket.socket:
    """A connection that waits for nothing."""
    end = socket.socket(socket.AF_UNIX)
    end.connect(str(daemon.socket))  # waits while the backlog is full
    end.settimeout(patience(30))
    return end


class Drip(threading.Thread):
    """Slow loris: each of so many clients sends a byte of a head every 20 ms, and comes again when it is thrown out."""

    def __init__(self, daemon: DaemonProcess) -> None:
        super().__init__()
        self.daemon_process = daemon
        self.done = threading.Event()
        self.thrown_out = 0

    def run(self) -> None:
        clients = [connected(self.daemon_process) for _ in range(SLOW)]
        at = 0
        while not self.done.wait(0.02):
            for number, client in enumerate(clients):
                try:
                    client.send(REQUEST[at : at + 1])
                except OSError:
                    self.thrown_out += 1
                    client.close()
                    clients[number] = connected(self.daemon_process)
            at = (at + 1) % (len(REQUEST) - 4)  # never the end of it
        for client in clients:
            client.close()


def ask(daemon: DaemonProcess) -> float:
    """One question on a connection of its own; the seconds that it took."""
    begun = time.monotonic()
    with connected(daemon) as end:
        end.sendall(REQUEST)
        assert end.recv(4096).startswith(b"HTTP/1.1 200 ")
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.usefixtures("room_for_clients")
def test_slow_and_idle_clients_cost_the_others_nothing(make_daemon: MakeDaemon) -> None:
    """With 50 slow and 1,000 idle ones about, 99 of 100 questions are answered within 50 ms."""
    daemon = make_daemon(config=f"[control]\nmax_connections = {CONNECTIONS}\n").start()
    fds = f"/proc/{daemon.pid}/fd"
    before, most = len(os.listdir(fds)), 0
    drip = Drip(daemon)
    drip.start()
    try:
        idle = [connected(daemon) for _ in range(IDLE)]
        took = []
        for _ in range(ASKED):
            took.append(ask(daemon))
            most = max(most, len(os.listdir(fds)))
        for client in idle:
            client.close()
    finally:
        drip.done.set()
        drip.join()
    took.sort()
    print(f"median {took[len(took) // 2]:.4f} s, p99 {took[len(took) * 99 // 100]:.4f} s, {drip.thrown_out} thrown out")
    assert took[len(took) * 99 // 100] < patience(0.05), f"median {took[len(took) // 2]:.4f} s"
    assert most <= before + CONNECTIONS + 10
    daemon.wait_for(lambda: len(os.listdir(fds)) <= before + 10)  # a worker more, meanwhile
