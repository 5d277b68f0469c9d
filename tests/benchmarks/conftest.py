"""Prints the table of `pvsched bench` at the end of a benchmark run, and writes its JSON where BENCH_JSON says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS: list[Any] = []


@pytest.fixture(scope="session")
def effort() -> Any:
    """BENCH_ROUNDS (default 7) rounds of BENCH_SCALE (default 0.2) of the work."""
    from pvsched.bench.rows import Effort

    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in [str(ROOT), *sys.path] if path)
    return Effort(int(os.environ.get("BENCH_ROUNDS", "7")), float(os.environ.get("BENCH_SCALE", "0.2")))


@pytest.fixture(scope="session")
def rows() -> list[Any]:
    """What was measured so far."""
    return ROWS


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not ROWS:
        return
    from pvsched.bench.table import document, lines

    terminalreporter.section("pvsched bench")
    for line in lines(ROWS):
        terminalreporter.write_line(line)
    path = os.environ.get("BENCH_JSON")
    if path:
        Path(path).write_text(json.dumps(document(ROWS, 0.0), indent=1) + "\n")
