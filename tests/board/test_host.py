"""What a script in board/ starts ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from board.tools import host


def test_a_signal_while_a_command_starts_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child is there, and nobody has its process yet."""
    started: list[subprocess.Popen[str]] = []

    class Signalled(subprocess.Popen[str]):
        def __init__(self, *words: object, **options: object) -> None:
            super().__init__(*words, **options)  # type: ignore[call-overload]
            started.append(self)
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        monkeypatch.setattr(subprocess, "Popen", Signalled)
        with pytest.raises(SystemExit, match="143"):
            host.run(["sleep", "100"], 90)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert started[0].returncode == -signal.SIGTERM, "the child has the signals that it had before"
