"""The rows of memory: what a kernel does not tell is left out, and is not 0."""

from __future__ import annotations

import pytest

from pvsched.bench import memory
from pvsched.bench.rows import Effort


@pytest.mark.parametrize("tells", [True, False])
def test_a_kernel_that_weighs_no_process(
    tells: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without CONFIG_PROC_PAGE_MONITOR only RSS and wake-ups are left."""
    monkeypatch.setattr(memory, "weighed", lambda: tells)
    monkeypatch.setattr(memory, "weigh", lambda script: 8.0)
    monkeypatch.setattr(memory.time, "sleep", lambda seconds: None)
    names = [row.name for row in memory.rows(Effort(1, 0.1))]
    assert any("PSS" in name for name in names) == tells
    assert {"daemon idle, RSS of its own process", "daemon idle, wake-ups a minute"} <= set(names)
    assert ("CONFIG_PROC_PAGE_MONITOR" in capsys.readouterr().err) == (not tells)
