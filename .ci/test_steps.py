"""The steps of `.ci/run` that came before, as tests: so that pytest's summary at the end counts them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def steps() -> list[tuple[str, int, int]]:
    """Return name, exit status and seconds of every step so far."""
    path = os.environ.get("CI_STEPS")
    if not path:
        return []
    rows = [line.split("\t") for line in Path(path).read_text().splitlines()]
    return [(name, int(status), int(seconds)) for name, status, seconds in rows]


@pytest.mark.parametrize(("name", "status", "seconds"), steps(), ids=[name for name, _, _ in steps()])
def test_step(name: str, status: int, seconds: int) -> None:
    """A step of the CI run ended with exit status 0."""
    assert status == 0, f"step {name} ended with {status} after {seconds} s; its log stands above"


def marked(mark: bytes) -> dict[int, str]:
    """Return the processes that have the run's mark in their environment, by pid, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark in (entry / "environ").read_bytes():
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                found[int(entry.name)] = " ".join(command.replace("\0", " ").split())[:120]
        except OSError:
            continue  # it has gone, or is not ours to read
    return found


def ancestors() -> set[int]:
    """Return the pids of this process and all above it."""
    pid, found = os.getpid(), set()
    while pid > 0:
        found.add(pid)
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
    return found


def test_no_process_is_left() -> None:
    """Nothing that the steps before have started still lives."""
    mark = os.environ.get("CI_MARK")
    assert mark, "run by .ci/run, which sets CI_MARK"
    above = ancestors()
    left = {pid: command for pid, command in marked(mark.encode()).items() if pid not in above}
    assert left == {}
