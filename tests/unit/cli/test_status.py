"""`pvsched status`: well or not, in a few lines and in the exit status."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvsched.cli import exits, main
from pvsched.cli.metrics import Metrics


def test_status_sums_up(working: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Health, counts, the longest wait, outcomes, objects, and what failed lately."""
    assert main(["status"]) == exits.OK
    out = capsys.readouterr().out
    assert "daemon   running for 1m00s, version 0.1.0, pid 1, at " in out
    assert "1 running, 1 waiting, the longest for 1.5s" in out
    assert "3 succeeded, 1 failed" in out
    assert "1, 2.0 KiB" in out
    assert "failed lately:" in out


def test_a_daemon_that_is_not_well_is_status_1(working: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """503 of /healthz is shown and is the exit status, with --json too."""
    working.json("GET", "/healthz", {"status": "draining", "uptime": 1.0}, "503 Service Unavailable")
    assert main(["status"]) == exits.FAILED
    assert "daemon   draining for " in capsys.readouterr().out
    assert main(["status", "--json"]) == exits.FAILED
    assert json.loads(capsys.readouterr().out)["healthy"] is False


def test_metrics_are_read_with_their_labels() -> None:
    """Labels with escaped quotes, commas and braces; sums over some of them; comments and nonsense are passed over."""
    text = '# HELP x y\nx_total{a="1",b="q\\"},{"} 2\nx_total{a="2",b=""} 3.5\nfree 7\nbroken{\nalso broken\n'
    metrics = Metrics(text)
    assert metrics.samples["x_total"] == {(("a", "1"), ("b", 'q"},{')): 2.0, (("a", "2"), ("b", "")): 3.5}
    assert metrics.samples["free"] == {(): 7.0}
