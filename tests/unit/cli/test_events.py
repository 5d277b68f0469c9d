"""`pvsched events`: pages, following, missed ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from pvsched.cli import exits, main
from tests.patience import patience


def event(seq: int, kind: str = "ended", **data: Any) -> dict[str, Any]:
    return {"seq": seq, "time": 12.5, "type": kind, "id": 3, "data": data}


def pages(daemon: Any, wait: int = 0) -> None:
    daemon.json(
        "GET", f"/events?after=0&wait={wait}", {"events": [event(4), event(5, "refused")], "next": 5, "missed": 3}
    )
    daemon.json(
        "GET",
        f"/events?after=5&wait={wait}",
        {"events": [event(6, outcome="failed", queued_at=1.0, started_at=1.5, ended_at=3.5)], "next": 6, "missed": 0},
    )
    daemon.json("GET", f"/events?after=6&wait={wait}", {"events": [], "next": 6, "missed": 0})


def test_all_pages_are_read_and_missed_ones_told(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked until a page is empty; what is no longer kept is said."""
    pages(daemon)
    assert main(["events"]) == exits.OK
    lines = capsys.readouterr().out.splitlines()
    assert "3 older events are no longer kept" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["4", "5", "6"]
    assert lines[3].split() == ["6", "12.500", "ended", "#3", "outcome=failed", "waited=500.0ms", "ran=2.0s"]


def test_json_is_one_document_a_line_and_types_choose(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """--type leaves the others out; --json prints JSON lines and nothing else."""
    pages(daemon)
    assert main(["events", "--json", "--type", "refused"]) == exits.OK
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [5]


def test_follow_stays_and_prints_at_once(daemon: Any) -> None:
    """--follow asks with a wait, prints each page when it comes, and leaves at Ctrl-C."""
    daemon.json("GET", "/events?after=4&wait=0", {"events": [event(5)], "next": 5, "missed": 0})
    daemon.json("GET", "/events?after=5&wait=25", {"events": [event(6)], "next": 6, "missed": 0})
    daemon.answers["GET", "/events?after=6&wait=25"] = lambda client, head, rest: not client.recv(1)
    command = [sys.executable, "-m", "pvsched", "events", "--follow", "--after", "4", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert [json.loads(process.stdout.readline())["seq"] for _ in range(2)] == [5, 6]
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=patience(30))
    assert (process.returncode, error) == (exits.INTERRUPTED, "")
