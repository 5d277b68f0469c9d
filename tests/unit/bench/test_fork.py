"""The forks' rows: what a small board is not asked for."""

from __future__ import annotations

import pytest

from pvsched.bench import fork
from pvsched.bench.contest import Figures
from pvsched.bench.rows import Effort


@pytest.mark.parametrize(("available", "grown"), [(64 << 20, 0), (fork.ROOM, 2)])
def test_a_small_board_is_spared_the_heap(
    available: int, grown: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two heaps of 100 MB would have the kernel kill something there; what is left out is told."""
    asked: set[str] = set()

    def contest(homes: dict[str, tuple[object, ...]], rounds: int) -> dict[str, list[Figures]]:
        asked.update(homes)
        return {name: [{"": 1e-3}] * rounds for name in homes}

    monkeypatch.setattr(fork, "contest", contest)
    monkeypatch.setattr(fork, "memory", lambda: {"MemAvailable": available})
    names = [row.name for row in fork.forks(Effort(3, 0.1))]
    assert (len([name for name in names if "heap grown" in name]), len(names)) == (grown, 2 + grown)
    assert len([name for name in asked if name.endswith("grown")]) == grown
    assert ("64 are available" in capsys.readouterr().err) == (not grown)
