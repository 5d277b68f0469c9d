"""Builds every `tests/c/fuzz_*.c` with libFuzzer and the sanitizers, and lets it run for FUZZ_SECONDS (default 20).

`make fuzz` runs them for ten minutes each. What was found is printed in base64, with the command that repeats it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FUZZERS = sorted(HERE.glob("fuzz_*.c"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fno-omit-frame-pointer"]
SANITIZERS = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("source", FUZZERS, ids=lambda source: str(source.stem))
def test_fuzz(source: Path, tmp_path: Path) -> None:
    """A8: a fuzzer finds no crash, no leak, no hang and no broken promise in its time."""
    clang = next((name for name in ("clang-14", "clang") if shutil.which(name)), None)
    if clang is None:
        pytest.skip("no clang here")
    core = sorted(str(path) for path in (ROOT / "csrc").glob("*.c") if path.name != "python_glue.c")
    binary, corpus = tmp_path / source.stem, tmp_path / "corpus"
    corpus.mkdir()
    build = [clang, *FLAGS, *SANITIZERS, "-Icsrc", "-Itests/c", str(source), *core, "-o", str(binary)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, f"{shlex.join(build)}\n{built.stderr}"
    limits = [f"-max_total_time={SECONDS}", "-timeout=20", "-max_len=2048", "-rss_limit_mb=1500", "-verbosity=0"]
    run = [str(binary), *limits, f"-artifact_prefix={tmp_path}/", str(corpus)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, f"{shlex.join(build)}\n{shlex.join(run)}\n{done.stderr[-6000:]}"
    assert any(corpus.iterdir()), "it never got past its first input"
