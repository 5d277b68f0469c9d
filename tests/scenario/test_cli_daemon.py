"""The commands against the real daemon: what a person does in the first ten minutes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvsched.bench.service import Service
from pvsched.cli import exits
from tests.patience import patience

CONTENT = os.urandom(3_000_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def service() -> Iterator[Service]:
    """A daemon, and the certainty that it leaves nobody behind."""
    with Service(2) as made:
        yield made
        family = made.family()
    assert len(family) >= 2
    deadline = time.monotonic() + patience(30)
    while any(os.path.exists(f"/proc/{pid}") for pid in family):  # the keeper goes last, by itself
        assert time.monotonic() < deadline, family


@pytest.fixture
def pvsched(service: Service, tmp_path: Path) -> Any:
    """Runs one command against the daemon."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pvsched", *arguments, "--socket", service.socket]
        return subprocess.run(command, capture_output=True, text=True, timeout=patience(60), check=False, **options)

    return run


def stored(pvsched: Any, tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(CONTENT)
    done = pvsched("objects", "put", str(path))
    assert (done.returncode, done.stderr) == (exits.OK, "")
    assert done.stdout.split()[0] == SHA


def test_put_ls_get_verify(pvsched: Any, tmp_path: Path) -> None:
    """A file goes in, is listed, comes back by the beginning of its name, and is found good."""
    stored(pvsched, tmp_path)
    assert SHA in pvsched("objects", "ls").stdout
    copy = tmp_path / "copy"
    done = pvsched("objects", "get", SHA[:10], "-o", str(copy))
    assert (done.returncode, copy.read_bytes()) == (exits.OK, CONTENT)
    results = json.loads(pvsched("objects", "verify", "--json").stdout)
    assert results == [{"sha256": SHA, "good": True}]


def test_a_get_goes_on_from_a_part(pvsched: Any, tmp_path: Path) -> None:
    """The daemon's Range and the command's part fit each other."""
    stored(pvsched, tmp_path)
    (tmp_path / "copy.part").write_bytes(CONTENT[:1_234_567])
    done = pvsched("objects", "get", SHA, "-o", str(tmp_path / "copy"))
    assert done.returncode == exits.OK, done.stderr
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_an_empty_object_goes_in_and_out(pvsched: Any, tmp_path: Path) -> None:
    """No bytes are an object, too."""
    (tmp_path / "empty").write_bytes(b"")
    assert pvsched("objects", "put", str(tmp_path / "empty")).returncode == exits.OK
    sha = hashlib.sha256().hexdigest()
    assert pvsched("objects", "get", sha, "-o", str(tmp_path / "back")).returncode == exits.OK
    assert (tmp_path / "back").read_bytes() == b""


def test_damage_on_the_disk_is_found(pvsched: Any, service: Service, tmp_path: Path) -> None:
    """A flipped byte in the store never gets a name at the client, is found by verify, and repaired by a put."""
    stored(pvsched, tmp_path)
    path = Path(service.objects()) / SHA
    with open(path, "r+b") as held:
        held.seek(1000)
        held.write(bytes([CONTENT[1000] ^ 1]))
    done = pvsched("objects", "get", SHA, "-o", str(tmp_path / "copy"))
    assert (done.returncode, (tmp_path / "copy").exists()) == (exits.FAILED, False)
    done = pvsched("objects", "verify", SHA)
    assert (done.returncode, "DAMAGED" in done.stdout) == (exits.FAILED, True)
    stored(pvsched, tmp_path)
    assert pvsched("objects", "verify", SHA).returncode == exits.OK


def test_an_object_that_is_not_there_is_a_refusal(pvsched: Any, tmp_path: Path) -> None:
    """The daemon's own words, status 1, and no file."""
    done = pvsched("objects", "get", "f" * 64, "-o", str(tmp_path / "copy"))
    assert done.returncode == exits.FAILED
    assert "next: " in done.stderr or "answered" in done.stderr
    assert list(tmp_path.glob("copy*")) == []


def test_tasks_and_events_tell_of_a_put(pvsched: Any, tmp_path: Path) -> None:
    """The task of a put is listed, can be shown, cannot be cancelled any more, and its events are there in order."""
    stored(pvsched, tmp_path)
    ended = json.loads(pvsched("tasks", "ls", "--json").stdout)["ended"]
    number = str(next(task["id"] for task in reversed(ended) if task["type"] == "object_put"))
    assert json.loads(pvsched("tasks", "show", number, "--json").stdout)["outcome"] == "succeeded"
    assert pvsched("tasks", "cancel", number).returncode == exits.FAILED
    events = [json.loads(line) for line in pvsched("events", "--json").stdout.splitlines()]
    story = [event["type"] for event in events if str(event["id"]) == number]
    assert story == ["submitted", "started", "ended"]
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})


def test_a_task_that_nobody_knows_is_told(pvsched: Any) -> None:
    """404 of the daemon with its code."""
    done = pvsched("tasks", "show", "987654321", "--json")
    assert (done.returncode, json.loads(done.stderr)["code"]) == (exits.FAILED, "unknown-task")


def test_a_transfer_can_be_cancelled(pvsched: Any, service: Service) -> None:
    """A put that waits for its client is seen running, is cancelled by id, and leaves nothing in the store."""
    from pvsched.cli.client import Client, head

    sha = "ab" * 32
    with Client([service.socket]) as slow:
        slow._send(head("PUT", f"/objects/{sha}", [("Content-Length", "1000")]) + b"x" * 10)
        running: list[Any] = []
        while not running:
            tasks = json.loads(pvsched("tasks", "ls", "--json").stdout)
            running = [task for task in tasks["running"] if task["type"] == "object_put"]
        text = pvsched("tasks", "ls").stdout
        assert str(running[0]["id"]) in text
        assert pvsched("tasks", "cancel", str(running[0]["id"])).returncode == exits.OK
        assert slow._read(65536)[:12] == b"HTTP/1.1 503"
    deadline = time.monotonic() + patience(30)
    while list(Path(service.objects()).glob(f"*{sha}*")):
        assert time.monotonic() < deadline


def test_why_a_task_waits_is_told(pvsched: Any, service: Service) -> None:
    """With two workers one is for transfers: a second put waits for its lane, and `tasks ls` says so."""
    from pvsched.cli.client import Client, head

    with Client([service.socket]) as first, Client([service.socket]) as second:
        for talk, sha in ((first, "cd" * 32), (second, "ef" * 32)):
            talk._send(head("PUT", f"/objects/{sha}", [("Content-Length", "1000")]) + b"x" * 10)
        waiting: list[Any] = []
        while not waiting:
            waiting = json.loads(pvsched("tasks", "ls", "--json").stdout)["waiting"]
        line = next(line for line in pvsched("tasks", "ls").stdout.splitlines() if "queued" in line)
        assert "its lane 'objects' is at its limit" in line


def test_status_and_top_show_the_daemon(pvsched: Any, service: Service) -> None:
    """Its pid and socket are in both; as JSON both are the same kind of document."""
    for verb in ("status", "top"):
        done = pvsched(verb)
        assert (done.returncode, done.stderr) == (exits.OK, "")
        assert f"pid {service.pid}" in done.stdout
        assert service.socket in done.stdout
        assert json.loads(pvsched(verb, "--json").stdout)["health"]["status"] == "running"


def test_following_events_sees_what_happens_next(pvsched: Any, service: Service, tmp_path: Path) -> None:
    """`events -f` prints the events of a put that begins after it."""
    last = [json.loads(line)["seq"] for line in pvsched("events", "--json").stdout.splitlines()][-1]
    command = [
        sys.executable,
        "-m",
        "pvsched",
        "events",
        "-f",
        "--json",
        "--after",
        str(last),
        "--socket",
        service.socket,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    stored(pvsched, tmp_path)
    seen = json.loads(process.stdout.readline())
    assert (seen["seq"], seen["type"]) == (last + 1, "submitted")
    process.terminate()
    process.communicate()
