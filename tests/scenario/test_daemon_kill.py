"""Kill -9: no orphan, nothing half done is visible, and the next start needs no help."""

from __future__ import annotations

import hashlib
import os
import signal

from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import DaemonProcess
from tests.scenario.test_daemon_stop import half_put


def test_a_killed_daemon_leaves_no_process_and_nothing_half_done(daemon: DaemonProcess) -> None:
    """The keeper ends every worker and itself; the next daemon starts over the stale socket and the lock."""
    stored = b"kept"
    sha = hashlib.sha256(stored).hexdigest()
    assert daemon.ask("PUT", f"/objects/{sha}", stored).status == 200
    with half_put(daemon, b"k" * 500_000):
        assert len(daemon.family()) >= 3
        daemon.signal(signal.SIGKILL)
        assert daemon.ended() == -signal.SIGKILL
        daemon.wait_until_gone()
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.get("/objects") == [{"sha256": sha, "size": "4"}]
    assert sorted(os.listdir(daemon.state / "objects")) == [sha]
    assert daemon.stop() == 0


def test_killed_again_and_again_it_always_starts(daemon: DaemonProcess) -> None:
    """Ten times, at once after it was ready."""
    for _ in range(10):
        daemon.signal(signal.SIGKILL)
        daemon.ended()
        daemon.start()
    assert daemon.get("/healthz")["status"] == "running"


def test_a_killed_keeper_is_replaced(daemon: DaemonProcess) -> None:
    """Its workers go with it, and what they ran; the daemon answers on, and the upload after that is stored."""
    body = b"after the keeper"
    sha = hashlib.sha256(body).hexdigest()
    daemon.get("/objects")
    keepers = [
        pid
        for pid in daemon.family()
        if pid != daemon.pid and os.getsid(pid) == pid and _parent(pid) in (1, os.getpid())
    ]
    keeper = min(keepers) if keepers else min(pid for pid in daemon.family() if pid != daemon.pid)
    os.kill(keeper, signal.SIGKILL)
    # The first may still be given to a worker that dies with the keeper.
    assert daemon.ask("PUT", f"/objects/{sha}", body).status in (200, 500)
    assert daemon.ask("PUT", f"/objects/{sha}", body).status == 200
    assert daemon.get("/healthz")["status"] == "running"
    assert keeper not in daemon.family()


def test_a_killed_worker_ends_its_task_alone(daemon: DaemonProcess) -> None:
    """The client's connection is closed or answered with an error; the daemon and later uploads are not touched."""
    with half_put(daemon, b"w" * 400_000) as client:
        (task,) = [one for one in daemon.get("/tasks")["running"] if one["type"] == "object_put"]
        os.kill(task["worker"], signal.SIGKILL)
        answer = client.recv(1000)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 500 ")
    body = b"later"
    assert daemon.ask("PUT", f"/objects/{hashlib.sha256(body).hexdigest()}", body).status == 200
    ended = daemon.get("/tasks")["ended"]
    (killed,) = [one for one in ended if one["id"] == task["id"]]
    assert killed["outcome"] == "failed"
    assert killed["error"]["reason"] == "worker-died"


def test_two_daemons_do_not_disturb_each_other(make_daemon: MakeDaemon) -> None:
    """One is killed, the other goes on."""
    first, second = make_daemon().start(), make_daemon(directory="e").start()
    first.signal(signal.SIGKILL)
    first.ended()
    first.wait_until_gone()
    assert second.get("/healthz")["status"] == "running"


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stream:
        return int(stream.read().rpartition(")")[2].split()[1])
