"""SIGHUP: what may change changes, nothing is lost, and a bad file changes nothing."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import DaemonProcess
from tests.scenario.test_daemon_stop import half_put


def reloaded(daemon: DaemonProcess, config: str) -> None:
    daemon.config.write_text(config)
    daemon.signal(signal.SIGHUP)
    daemon.wait_told("RELOADING=1")
    daemon.wait_told("READY=1")


def blocked(pid: int) -> set[int]:
    """The signals that the main thread of a process holds back."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    mask = int(lines["SigBlk"], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def workers(daemon: DaemonProcess) -> int:
    text = daemon.ask("GET", "/metrics").body.decode()
    (line,) = [line for line in text.splitlines() if line.startswith("pvsched_workers ")]
    return int(line.split()[1])


def test_workers_policy_and_limits_change_while_a_transfer_runs(make_daemon: MakeDaemon) -> None:
    """The upload that was under way is stored; /config2 shows the new values."""
    daemon = make_daemon(config="[scheduler]\nworkers = 1\n").start()
    assert workers(daemon) == 1
    body = b"r" * 200_000
    with half_put(daemon, body) as client:
        # One worker has the upload: the task that reads the file needs a second one, or waits for the first.
        daemon.config.write_text("[scheduler]\nworkers = 3\npolicy = 'fair'\n[pantavisor]\nPH_UPDATER_INTERVAL = 77\n")
        daemon.signal(signal.SIGHUP)
        daemon.wait_told("RELOADING=1")
        client.sendall(body[len(body) // 2 :])
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    daemon.wait_told("READY=1")
    assert workers(daemon) == 3
    shown = {entry["key"]: entry["value"] for entry in daemon.get("/config2")}
    assert shown["PH_UPDATER_INTERVAL"] == "77"
    assert "configuration reloaded" in daemon.log
    assert len(daemon.get("/objects")) == 1


def test_a_reload_that_comes_too_early_waits(make_daemon: MakeDaemon) -> None:
    """A daemon that still imports, or reads its configuration, is not ended by SIGHUP: it reloads when it can."""
    daemon = make_daemon()
    daemon.launch()
    daemon.wait_for(lambda: signal.SIGHUP in blocked(daemon.pid))
    daemon.signal(signal.SIGHUP)
    daemon.wait_told("READY=1")
    daemon.wait_told("RELOADING=1")
    daemon.wait_told("READY=1")
    assert "configuration reloaded" in daemon.log
    assert [pid for pid in daemon.family() if signal.SIGHUP in blocked(pid)] == []


def test_a_bad_file_changes_nothing(make_daemon: MakeDaemon) -> None:
    """The finding is in the log with its line; the daemon runs on with what it had."""
    daemon = make_daemon(config="[scheduler]\nworkers = 1\n").start()
    reloaded(daemon, "[scheduler]\nworkers = 4\npolcy = 'fair'\n")
    assert workers(daemon) == 1
    assert "line=3 key=scheduler.polcy" in daemon.log
    assert "did you mean scheduler.policy?" in daemon.log


def test_what_needs_a_restart_is_told(make_daemon: MakeDaemon) -> None:
    """By name; the rest of the file takes effect."""
    daemon = make_daemon().start()
    reloaded(daemon, "[scheduler]\ncapacity = 100\nworkers = 1\n")
    assert 'keys=["scheduler.capacity"]' in daemon.log
    assert workers(daemon) == 1


def test_a_new_log_level_takes_effect(make_daemon: MakeDaemon) -> None:
    """From error to info and back, without a restart."""
    daemon = make_daemon(config="[log]\nlevel = 'error'\n").start()
    assert daemon.log == ""
    reloaded(daemon, "[log]\nlevel = 'info'\n")
    assert "configuration reloaded" in daemon.log


def test_host_cgroups_change_at_once(make_daemon: MakeDaemon) -> None:
    """The setting is taken over without complaint, and the caller of this test stays privileged."""
    daemon = make_daemon().start()
    reloaded(daemon, "[control]\nhost_cgroups = ['/x.slice']\n")
    assert daemon.get("/objects") == []


def test_many_signals_end_in_one_state(make_daemon: MakeDaemon) -> None:
    """SIGHUPs that come while a reload runs are not lost: the last file is the one in force."""
    daemon = make_daemon().start()
    for number in (1, 2, 3, 4):
        daemon.config.write_text(f"[scheduler]\nworkers = {number}\n")
        daemon.signal(signal.SIGHUP)
    daemon.wait_metric("pvsched_workers 4")
    assert daemon.stop() == 0


def test_the_section_of_the_objects_lane_counts(make_daemon: MakeDaemon) -> None:
    """Three workers would run two transfers at once; [lanes.objects] lets one run, and a reload two."""
    daemon = make_daemon(config="[scheduler]\nworkers = 3\n[lanes.objects]\nlimit = 1\nweight = 'low'\n").start()
    with half_put(daemon, b"a" * 200_000), ThreadPoolExecutor(1) as threads:
        second = threads.submit(half_put, daemon, b"b" * 200_000)
        while not (waiting := daemon.get("/tasks")["waiting"]):
            assert not second.done()
        assert "is at its limit" in str(waiting)
        reloaded(daemon, "[scheduler]\nworkers = 3\n[lanes.objects]\nweight = 'low'\n")
        second.result().close()
