"""What a running daemon shows of its tasks, events and figures; nothing secret among it."""

from __future__ import annotations

import hashlib
import json
import socket

import pytest

from pvsched.cli.metrics import Metrics
from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import PATIENCE, DaemonProcess
from tests.scenario.test_daemon_stop import half_put


def put(daemon: DaemonProcess, body: bytes) -> str:
    sha = hashlib.sha256(body).hexdigest()
    assert daemon.ask("PUT", f"/objects/{sha}", body).status == 200
    return sha


def more(client: socket.socket) -> bytes:
    """What comes next; an end is a failure."""
    data = client.recv(65536)
    assert data, "the daemon has closed the stream"
    return data


def metrics(daemon: DaemonProcess) -> Metrics:
    return Metrics(daemon.ask("GET", "/metrics").body.decode())


def test_a_running_transfer_is_listed_and_can_be_cancelled(daemon: DaemonProcess) -> None:
    """GET /tasks, GET /tasks/ID, DELETE /tasks/ID; then it is among those that ended."""
    with half_put(daemon, b"c" * 100_000) as client:
        (task,) = [one for one in daemon.get("/tasks")["running"] if one["type"] == "object_put"]
        assert daemon.get(f"/tasks/{task['id']}")["state"] == "running"
        assert daemon.ask("DELETE", f"/tasks/{task['id']}").status == 202
        client.recv(1000)
    assert daemon.wait_for(lambda: daemon.get(f"/tasks/{task['id']}").get("outcome")) in ("cancelled", "succeeded")
    assert daemon.ask("DELETE", f"/tasks/{task['id']}").status == 409
    assert daemon.get("/objects") == []


def test_waiting_tasks_come_with_the_reason(make_daemon: MakeDaemon) -> None:
    """One worker, two uploads: the second waits, and says for what."""
    daemon = make_daemon("--workers", "1").start()
    daemon.get("/objects")
    with half_put(daemon, b"1" * 100_000), socket.socket(socket.AF_UNIX) as second:
        second.connect(str(daemon.socket))
        sha = hashlib.sha256(b"2").hexdigest()
        second.sendall(f"PUT /objects/{sha} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n2".encode())
        waiting = daemon.wait_for(lambda: daemon.get("/tasks")["waiting"])
        assert waiting[0]["type"] == "object_put"
        assert waiting[0]["reason"]


def test_events_tell_the_life_of_a_task(daemon: DaemonProcess) -> None:
    """submitted, started, ended, in this order, for whoever asks afterwards."""
    before = daemon.get("/events")["next"]
    put(daemon, b"events")
    events = daemon.get(f"/events?after={before}")["events"]
    task = next(event["id"] for event in events if event["data"].get("type") == "object_put")
    types = [event["type"] for event in events if event["id"] == task]
    assert types == ["submitted", "started", "ended"]
    assert [event["seq"] for event in events] == list(range(before + 1, before + 1 + len(events)))


def test_a_long_poll_is_answered_by_the_next_event(daemon: DaemonProcess) -> None:
    """It holds no worker: other requests, and uploads, go on."""
    put(daemon, b"first")
    daemon.wait_for(lambda: not daemon.get("/tasks")["running"])  # none is left to tell of
    after = daemon.get("/events")["next"]
    with socket.socket(socket.AF_UNIX) as poll:
        poll.settimeout(PATIENCE)
        poll.connect(str(daemon.socket))
        poll.sendall(f"GET /events?after={after}&wait=60 HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        daemon.wait_metric("pvsched_event_waiters 1")
        put(daemon, b"second")
        answer = b""
        while chunk := poll.recv(65536):
            answer += chunk
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert document["events"][0]["seq"] == after + 1


def test_server_sent_events_flow(daemon: DaemonProcess) -> None:
    """What happens appears on an open stream; leaving it frees its place."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(daemon.socket))
        client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        text = b""
        while b"\r\n\r\n" not in text:
            text += more(client)
        assert b"text/event-stream" in text
        put(daemon, b"streamed")
        while b"event: ended" not in text or b'"type":"object_put","outcome":"succeeded"' not in text:
            text += more(client)
    daemon.wait_metric("pvsched_event_waiters 0")


def test_metrics_count_what_was_done(daemon: DaemonProcess) -> None:
    """Outcomes, durations, requests by status, connections, memory."""
    put(daemon, b"m1")
    put(daemon, b"m2")
    daemon.ask("GET", "/nope")
    answer = daemon.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")
    read = Metrics(answer.body.decode())
    assert read.total("pvsched_tasks_ended_total", type="object_put", outcome="succeeded") == 2
    assert read.total("pvsched_task_duration_seconds_count", type="object_put") == 2
    assert read.total("pvsched_requests_total", status="400") == 1
    assert read.total("pvsched_requests_total", status="200") == 2
    assert read.total("pvsched_tasks_waiting", lane="objects") == 0
    assert (read.total("pvsched_wakeups_total") or 0) >= 2
    assert (read.total("pvsched_memory_bytes") or 0) > 4_000_000
    assert (read.total("pvsched_connections") or 0) >= 1


def test_metrics_are_well_formed(daemon: DaemonProcess) -> None:
    """Each family once, with TYPE and HELP, all its samples behind it, and the prefix everywhere."""
    put(daemon, b"m")
    family = ""
    seen: set[str] = set()
    for line in daemon.ask("GET", "/metrics").body.decode().splitlines():
        if line == "# EOF":
            continue
        if line.startswith("# TYPE "):
            family = line.split()[2]
            assert family not in seen
            seen.add(family)
        assert line.split("{")[0].split()[0 if line[0] != "#" else 2].startswith(family)
        assert family.startswith("pvsched_")
    assert len(seen) > 20


@pytest.mark.parametrize("path", ["/config", "/config2"])
def test_no_secret_of_the_configuration_is_shown(make_daemon: MakeDaemon, path: str) -> None:
    """Neither by the socket nor in the log, at the most talkative level."""
    daemon = make_daemon(config="[log]\nlevel = 'trace'\n[pantavisor]\nPH_CREDS_SECRET = 'hush-hush'\n").start()
    answer = daemon.ask("GET", path)
    assert answer.status == 200
    assert b"********" in answer.body
    assert b"hush" not in answer.body
    assert "hush" not in daemon.log


def test_a_full_queue_is_an_explicit_refusal(make_daemon: MakeDaemon) -> None:
    """503 with Retry-After, at once; what was accepted is done all the same."""
    daemon = make_daemon("--workers", "1", config="[scheduler]\ncapacity = 16\n").start()
    daemon.get("/objects")
    clients = []
    refused = b""
    try:
        for number in range(24):
            body = b"%d" % number * 1000
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(PATIENCE)
            client.connect(str(daemon.socket))
            sha = hashlib.sha256(body).hexdigest()
            client.sendall(
                f"PUT /objects/{sha} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            )
            clients.append((client, body))
        client, _ = clients.pop()
        refused = client.recv(4096)
        client.close()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in refused
        for client, body in clients[:4]:
            client.sendall(body)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    finally:
        for client, _ in clients:
            client.close()
