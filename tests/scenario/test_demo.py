"""`pvsched demo` with a real daemon, short: the whole way, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pvsched.bench.family import marked
from pvsched.bench.service import MARK
from pvsched.cli import exits
from tests.patience import patience

DEMO = [sys.executable, "-m", "pvsched", "demo", "--size", "4", "--seconds", "0.5"]


def run(directory: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*DEMO, "--state", str(directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=patience(120), check=False, **options)


def left(directory: Path) -> list[object]:
    """Files and processes of a demo in this directory; a keeper may take a moment to go."""
    deadline = time.monotonic() + patience(30)
    while (found := [*directory.iterdir(), *marked(f"{MARK}={directory}")]) and time.monotonic() < deadline:
        pass
    return found


def test_the_demo_measures_both_and_leaves_nothing(tmp_path: Path) -> None:
    """Two runs with answers, PUTs and GETs in both; every figure is there; no file and no process is left."""
    done = run(tmp_path, "--json")
    assert (done.returncode, done.stderr) == (exits.OK, "")
    runs = json.loads(done.stdout)["runs"]
    assert [found["workers"] for found in runs] == [0, 2]
    for found in runs:
        assert 0 < found["answered"] <= found["asked"]
        assert found["puts"] > 0
        assert found["gets"] > 0
        assert 0 < found["p50"] <= found["p99"] <= found["max"]
        assert len(found["slices"]) == 64
    assert left(tmp_path) == []


def test_the_table_stands_beside_the_recorded_peer(tmp_path: Path) -> None:
    """Text: a column a run, the recorded Pantavisor marked as such, two plots in ASCII where asked; a picture."""
    picture = tmp_path / "demo.svg"
    state = tmp_path / "state"
    state.mkdir()
    done = run(state, "--ascii", "--svg", str(picture))
    assert done.returncode == exits.OK, done.stderr
    lines = done.stdout.splitlines()
    title = next(line for line in lines if "workers=0" in line and "workers=2" in line)
    assert "Pantavisor*" in title
    assert "recorded elsewhere" in done.stdout
    assert done.stdout.isascii()
    assert len([line for line in lines if line.lstrip().startswith("1 ms |")]) == 2
    assert picture.read_text().startswith("<svg ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_a_demo_that_is_stopped_cleans_up(tmp_path: Path, number: int) -> None:
    """Ctrl-C and SIGTERM end it with 130, without a traceback, without files, without processes."""
    process = subprocess.Popen(
        [*DEMO, "--seconds", "60", "--state", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not list(tmp_path.glob("*/state/objects/*")):
        assert process.poll() is None
    process.send_signal(number)
    _, error = process.communicate(timeout=patience(60))
    assert (process.returncode, error) == (exits.INTERRUPTED, "")
    assert left(tmp_path) == []


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--size", "0"], ["--state", "/nonexistent"]])
def test_what_cannot_work_is_refused_first(tmp_path: Path, arguments: list[str]) -> None:
    """Nonsense is misuse, and nothing is started."""
    done = run(tmp_path, *arguments)
    assert done.returncode == exits.MISUSE
    assert left(tmp_path) == []


def test_a_daemon_that_does_not_come_up_is_told(tmp_path: Path) -> None:
    """Why it left stands in the message; nothing is left behind."""
    broken = {**os.environ, "PVSCHED_WORKERS": "two"}
    done = run(tmp_path, env={**broken, "PVSCHED_CONFIG": "/nonexistent.toml"})
    assert done.returncode == exits.FAILED
    assert "the daemon left with status 100" in done.stderr
    assert left(tmp_path) == []


def test_a_picture_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    """Its folder is looked for before the first run, not after the last."""
    done = run(tmp_path, "--svg", str(tmp_path / "nowhere" / "demo.svg"))
    assert (done.returncode, done.stdout) == (exits.MISUSE, "")
    assert "nowhere is not a directory" in done.stderr
