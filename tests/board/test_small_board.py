"""64 MB and one core: a guest of that size runs the daemon and the object demo."""

from __future__ import annotations

import sys

import pytest

from board.tools import cache, host

LIMIT = 900  # seconds, on a busy machine


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.timeout(LIMIT + 30)
def test_the_small_board_is_large_enough() -> None:
    """With 64 MB and one core the daemon, its workers and objects of 64 MiB leave memory; nothing is killed."""
    script = str(cache.ROOT / "board" / "small-board")
    done = host.run([sys.executable, script, "armhf", "--seconds", "4", "--sizes", "64,65536"], LIMIT)
    assert done.returncode == 0, done.stdout
    assert "oom_kill 0" in done.stdout
