"""sd_notify, the watchdog, and sockets passed by the service manager."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pvsched.notify import ServiceManager


def test_messages_go_to_the_socket(tmp_path: Path) -> None:
    """READY with status and pid, STATUS, RELOADING, WATCHDOG, STOPPING; one line a value."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        service = ServiceManager.take({"NOTIFY_SOCKET": path})
        service.ready("two\nlines")
        assert manager.recv(999) == f"READY=1\nSTATUS=two lines\nMAINPID={os.getpid()}".encode()
        service.status("busy")
        assert manager.recv(999) == b"STATUS=busy"
        service.reloading()
        assert manager.recv(999).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        service.alive()
        assert manager.recv(999) == b"WATCHDOG=1"
        service.extend(1.5)
        assert manager.recv(999) == b"EXTEND_TIMEOUT_USEC=1500000"
        service.stopping("draining")
        assert manager.recv(999) == b"STOPPING=1\nSTATUS=draining"


def test_the_abstract_namespace() -> None:
    """A leading @ stands for NUL."""
    name = f"pvsched-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        ServiceManager.take({"NOTIFY_SOCKET": "@" + name}).status("x")
        assert manager.recv(99) == b"STATUS=x"


def test_nobody_listens(tmp_path: Path) -> None:
    """Without a manager nothing is sent; one that has gone is counted and forgotten."""
    silent = ServiceManager.take({})
    silent.ready("x")
    assert silent.interval is None
    gone = ServiceManager.take({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    gone.ready("x")
    assert gone.failed == 1


def test_a_full_manager_stops_nobody(tmp_path: Path) -> None:
    """A manager that does not read must not stop the loop."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        service = ServiceManager.take({"NOTIFY_SOCKET": path})
        while not service.failed:
            service.alive()


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "junk"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_in_half_its_time(environ: dict[str, str], interval: float | None) -> None:
    """Seconds between two messages; none if the watchdog is another process's."""
    assert ServiceManager.take({"NOTIFY_SOCKET": "/x", **environ}).interval == interval


def test_the_variables_are_taken_away() -> None:
    """A worker that found them would believe that they are its own."""
    environ = {
        "NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "LISTEN_PID": "1", "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "a", "LISTEN_PIDFDID": "7", "PATH": "/bin",
    }  # fmt: skip
    ServiceManager.take(environ)
    assert environ == {"PATH": "/bin"}


def test_sockets_meant_for_another_process_are_left_alone() -> None:
    """LISTEN_PID is another's, or no number at all."""
    assert ServiceManager.take({"LISTEN_PID": "1", "LISTEN_FDS": "2"}).sockets == ()
    assert ServiceManager.take({"LISTEN_PID": "x", "LISTEN_FDS": "2"}).sockets == ()


def test_passed_sockets_have_their_names_and_are_not_inherited() -> None:
    """Descriptors from 3 on, by LISTEN_FDNAMES, close-on-exec from now; one that is not open is left out."""
    program = (
        "import os\n"
        "from pvsched.notify import ServiceManager\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='3', LISTEN_FDNAMES='pv-ctrl:extra')\n"
        "os.dup2(0, 3); os.dup2(0, 4); os.closerange(5, 6)\n"
        "found = ServiceManager.take().sockets\n"
        "print(found, [os.get_inheritable(fd) for fd, _ in found])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "((3, 'pv-ctrl'), (4, 'extra')) [False, False]\n"
