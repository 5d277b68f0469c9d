"""A start that the system refuses ends with a message and status 111, and leaves no process and no socket."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.scenario.conftest import MakeDaemon

FAULTS = [
    ("?mkdir,?mkdirat", "EROFS"),  # the second alone on arm64
    ("flock", "ENOLCK"),
    ("fsync", "ENOSPC"),
    ("fsync", "EIO"),
    ("renameat", "EROFS"),
    ("pwrite64", "ENOSPC"),
    ("bind", "EACCES"),
    ("listen", "EOPNOTSUPP"),
    ("fchmodat", "EPERM"),
    ("epoll_create1", "EMFILE"),
    ("eventfd2", "ENFILE"),
    ("timerfd_create", "EMFILE"),
    ("socketpair", "EMFILE"),
    ("clone", "EAGAIN"),
]


@pytest.mark.parametrize(("call", "error"), FAULTS)
def test_a_refused_call_ends_the_start_in_order(make_daemon: MakeDaemon, call: str, error: str) -> None:
    """Whatever is refused: no hang, no half-started daemon, and the next start needs no help."""
    if shutil.which("strace") is None:
        pytest.skip("lacks ptrace: strace is not installed")
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode:
        pytest.skip("lacks ptrace: strace is not permitted")
    daemon = make_daemon()
    daemon.wrapper = ("strace", "-D", "-qq", "-o", "/dev/null", "-e", f"inject={call}:error={error}")
    daemon.launch()
    assert daemon.ended() == 111, daemon.log
    assert "pvsched run: " in daemon.log
    assert "internal error" not in daemon.log
    daemon.wait_until_gone()
    assert not daemon.socket.exists()
    daemon.wrapper = ()
    daemon.start()
    assert daemon.get("/healthz")["status"] == "running"
