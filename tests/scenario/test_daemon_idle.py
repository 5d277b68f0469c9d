"""Idle means asleep: no wake-ups at all, or one in each half period of a watchdog."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import DaemonProcess


def wake_ups(pid: int) -> int:
    """Times that a process has been scheduled: it went to sleep so often, or was taken off."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


def settled(daemon: DaemonProcess) -> dict[int, int]:
    """Waits until the whole family has nothing left to do; returns its wake-ups."""
    before: dict[int, int] = {}
    while True:
        now = {pid: wake_ups(pid) for pid in daemon.family()}
        if now == before:
            return now
        before = now
        time.sleep(0.3)


def test_nothing_wakes_an_idle_daemon(daemon: DaemonProcess) -> None:
    """Neither it nor the keeper nor a worker is scheduled once in three seconds, not even with clients connected."""
    daemon.get("/objects")
    with socket.socket(socket.AF_UNIX) as idle, socket.socket(socket.AF_UNIX) as stream:
        idle.connect(str(daemon.socket))
        stream.connect(str(daemon.socket))
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        daemon.wait_metric("pvsched_event_waiters 1")
        before = settled(daemon)
        time.sleep(3)  # the time that is measured, not one that is waited for
        assert {pid: wake_ups(pid) for pid in daemon.family()} == before


def test_a_watchdog_is_fed_and_nothing_else_wakes(make_daemon: MakeDaemon) -> None:
    """WATCHDOG=1 comes again and again; without NOTIFY_SOCKET's watchdog it never does."""
    daemon = make_daemon(environ={"WATCHDOG_USEC": "400000"}).start()
    for _ in range(4):
        daemon.wait_told("WATCHDOG=1")
    quiet = make_daemon(
        directory="e", environ={"WATCHDOG_USEC": "400000"}, config="[daemon]\nwatchdog = false\n"
    ).start()
    quiet.stop()
    assert not any("WATCHDOG" in message for message in quiet.told)
