"""Under a service manager: socket activation, the shell clients' link, the status line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import DaemonProcess


def launched_with_socket(daemon: DaemonProcess, path: Path) -> socket.socket:
    """Starts the daemon as systemd does for a .socket unit: the socket is descriptor 3, LISTEN_PID its own pid."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    script = 'exec 3<&"$0" || exit 9; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=pv-ctrl; exec "$@"'
    command = ["bash", "-c", script, str(listening.fileno()), *daemon.command]
    with daemon.log_path.open("ab") as log:
        daemon.process = subprocess.Popen(
            command, stdout=log, stderr=log, env=daemon.environ, pass_fds=[listening.fileno()]
        )
    daemon.wait_told("READY=1")
    return listening


def test_a_passed_socket_is_used_and_stays(make_daemon: MakeDaemon) -> None:
    """Clients connect to the manager's socket; its file is not removed at the end, and no own one was made."""
    daemon = make_daemon()
    path = daemon.directory / "passed"
    own = daemon.socket
    with launched_with_socket(daemon, path):
        daemon.socket = path
        assert daemon.get("/healthz")["status"] == "running"
        assert not own.exists()
        assert daemon.stop() == 0
        assert path.exists()


def test_no_worker_holds_a_passed_socket(make_daemon: MakeDaemon) -> None:
    """A listening descriptor in the keeper or a worker would let clients hang after the daemon has died."""
    daemon = make_daemon()
    path = daemon.directory / "passed"
    with launched_with_socket(daemon, path) as listening:
        daemon.socket = path
        daemon.get("/objects")
        inode = os.fstat(listening.fileno()).st_ino
        for pid in daemon.family():
            held = []
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with suppress(FileNotFoundError):  # closed since it was listed
                    held.append(os.stat(f"/proc/{pid}/fd/{fd}").st_ino)
            # bash left its own copy (the number it was given) in the daemon itself; others have none.
            assert pid == daemon.pid or inode not in held


def test_the_link_for_the_shell_clients(make_daemon: MakeDaemon) -> None:
    """Made where control.link says, leads to the daemon, and is gone at the end."""
    daemon = make_daemon()
    link = daemon.directory / "run" / "pv" / "pv-ctrl"
    daemon.config.write_text(f"[control]\nlink = '{link}'\n")
    daemon.start()
    own, daemon.socket = daemon.socket, link
    assert daemon.get("/healthz")["status"] == "running"
    assert os.readlink(link) == str(own)
    assert daemon.stop() == 0
    assert not os.path.lexists(link)


def test_the_link_is_not_taken_from_a_living_server(make_daemon: MakeDaemon) -> None:
    """It warns, and runs without."""
    first = make_daemon().start()
    second = make_daemon(directory="e", config=f"[control]\nlink = '{first.socket}'\n").start()
    assert "another server answers there" in second.log
    assert first.get("/healthz")["pid"] == first.pid
    assert second.get("/healthz")["pid"] == second.pid


def test_the_status_line_says_where_it_listens(daemon: DaemonProcess) -> None:
    """What `systemctl status` shows."""
    message = next(text for text in daemon.told if "READY=1" in text)
    assert f"on {daemon.socket}, 2 workers" in message
    assert f"MAINPID={daemon.pid}" in message


def test_roots_own_places_need_no_option(make_daemon: MakeDaemon) -> None:
    """/var/lib/pvsched, /run/pvsched/pv-ctrl and the shell clients' link, seen in a mount namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root")
    if subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "t", "/run"], capture_output=True, check=False
    ).returncode:
        pytest.skip("lacks mount: unshare --mount, mount -t tmpfs")
    daemon = make_daemon()
    private = 'mount -t tmpfs t /run && mount -t tmpfs t /var/lib && mount -t tmpfs t /etc && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", private, "sh", sys.executable, "-m", "pvsched", "run"]
    with daemon.log_path.open("ab") as log:
        daemon.process = subprocess.Popen(command, stdout=log, stderr=log, env=daemon.environ, cwd="/")
    daemon.wait_told("READY=1")
    inside = Path(f"/proc/{daemon.pid}/root")
    daemon.socket = inside / "run/pvsched/pv-ctrl"
    assert daemon.get("/healthz")["status"] == "running"
    link = inside / "run/pantavisor/pv/pv-ctrl"
    assert os.readlink(link) == "/run/pvsched/pv-ctrl"
    assert (inside / "var/lib/pvsched/format").read_text() == "pvsched-state 1\n"
    assert daemon.stop() == 0
