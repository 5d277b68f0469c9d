"""`pvsched tasks`: what runs, what waits and why, what failed; cancel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvsched.cli import exits, main


def test_ls_tells_why_a_task_waits_and_why_one_failed(working: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Running ones with their pid, waiting ones with the reason, failed ones with the error."""
    assert main(["tasks", "ls"]) == exits.OK
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[1].split() == ["7", "object_put", "objects", "5", "running", "2.0s", "pid", "4242"]
    assert "lane objects is at its limit" in lines[2]
    assert "1 running, 1 waiting, 1 ended lately" in lines
    assert "raised: OSError: no?[2J disk" in lines[-1]
    assert "\x1b" not in out


def test_ls_tells_what_a_task_says_of_its_own_end(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An upload that was refused is a task that succeeded: the word of its result stands beside that."""
    times = {"queued_at": 1.0, "started_at": 2.0, "ended_at": 3.0}
    ended = {"id": 6, "type": "object_put", "outcome": "succeeded", **times}
    tasks = [{**ended, "data": {"result": "bad-hash"}}, {**ended, "data": [1]}, {**ended, "data": {"result": None}}]
    daemon.json("GET", "/tasks", {"running": [], "waiting": [], "ended": tasks, "pending": 0})
    assert main(["tasks", "ls"]) == exits.OK
    words = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[-3:]]
    assert words == ["bad-hash", "ago", "ago"]


def test_ls_as_json_is_the_daemons_document(working: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """--json passes on what the daemon said."""
    assert main(["tasks", "ls", "--json"]) == exits.OK
    assert [task["id"] for task in json.loads(capsys.readouterr().out)["running"]] == [7]


def test_show_has_a_line_for_each_field(working: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Nested fields are dotted names; what is not set is left out."""
    working.json("GET", "/tasks/6", {"id": 6, "worker": None, "error": {"reason": "raised", "message": "x"}})
    assert main(["tasks", "show", "6"]) == exits.OK
    rows = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert rows == [["id", "6"], ["error.reason", "raised"], ["error.message", "x"]]


def test_cancel_tries_every_id(working: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One that cannot be cancelled is told, and does not keep the others from it; the status says so."""
    working.json("DELETE", "/tasks/7", {"id": 7, "cancelled": True}, "202 Accepted")
    working.json("DELETE", "/tasks/6", {"Error": "task 6 has ended", "code": "task-ended"}, "409 Conflict")
    assert main(["tasks", "cancel", "6", "7"]) == exits.FAILED
    assert capsys.readouterr().out.splitlines() == [
        "6: the daemon answered 409: task 6 has ended",
        "7: is being ended",
    ]
    assert main(["tasks", "cancel", "7"]) == exits.OK


def test_an_id_that_is_no_number_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    """A word where a number belongs ends with 100."""
    assert main(["tasks", "show", "seven"]) == exits.MISUSE
