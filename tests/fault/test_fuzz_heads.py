"""Reliability row D1 with atheris: `fuzz_heads.py` in a process of its own, for FUZZ_SECONDS (default 20).

`make fuzz` runs it long. What was found is printed with both readings, and in base64 by libFuzzer.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))
HAS_WHEEL = sysconfig.get_platform() == "linux-x86_64"  # elsewhere it would have to be built, with a clang of its own


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 240)
def test_d1_atheris_finds_no_difference_from_h11_that_is_not_explained(tmp_path: Path) -> None:
    """Led by what both parsers cover, it finds no head that they read differently for no known reason."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip(
            "no atheris here: pip install '.[dev]'" if HAS_WHEEL else "lacks atheris: no wheel for this machine"
        )
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    limits = [f"-max_total_time={SECONDS}", "-timeout=20", "-max_len=2048", "-rss_limit_mb=1500"]
    command = [sys.executable, "-m", "tests.fault.fuzz_heads", *limits, f"-artifact_prefix={tmp_path}/", str(corpus)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr[-6000:]}"
    covered, runs = _figures(done.stderr)
    assert covered > 200, "what it fuzzes is not instrumented: it would be blind"
    assert runs > 100 * SECONDS


def _figures(said: str) -> tuple[int, int]:
    """Return how many edges were covered, and how many heads were tried."""
    covered, runs = re.search(r"\tDONE +cov: (\d+) ", said), re.search(r"^Done (\d+) runs", said, re.MULTILINE)
    assert covered, said[-2000:]
    assert runs, said[-2000:]
    return int(covered[1]), int(runs[1])
