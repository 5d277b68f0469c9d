"""Progress: a bar on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

import io
import os

import pytest

from pvsched.cli.progress import LINE, Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("pvsched.cli.progress.time.monotonic", made)
    return made


def test_lines_come_every_few_seconds_when_not_a_terminal(clock: Clock) -> None:
    """One plain line each LINE seconds, with rate and time left, and no control characters."""
    out = io.StringIO()
    progress = Progress("x", 10 << 20, out=out)
    for _ in range(8):
        clock.now += LINE / 2
        progress(1 << 20)
    lines = out.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0] == "x  2.0 MiB  of 10.0 MiB  20%  409.6 KiB/s  20.0s left"
    assert all(line.isprintable() for line in lines)


def test_what_was_there_before_does_not_count_in_the_rate(clock: Clock) -> None:
    """A resumed transfer tells the rate of this run alone."""
    progress = Progress("x", 100, done=90, out=io.StringIO())
    clock.now += 1
    progress(5)
    assert progress.rate(clock.now) == 5.0


def test_quiet_says_nothing(clock: Clock) -> None:
    """quiet=True writes nothing, whatever the time."""
    out = io.StringIO()
    progress = Progress("x", 10, quiet=True, out=out)
    clock.now += 1000
    progress(10)
    progress.end()
    assert out.getvalue() == ""


def test_a_terminal_gets_one_line_that_is_taken_off_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the bar stays on one line, is not wider than it, and end() removes it."""
    monkeypatch.setenv("TERM", "vt100")
    keeper, terminal = os.openpty()
    with open(terminal, "w") as out:
        progress = Progress("x", 1000, out=out)
        for _ in range(3):
            clock.now += 1
            progress(100)
        progress.end()
        text = ""
        while text.count("\r") < 4:
            text += os.read(keeper, 65536).decode()
    os.close(keeper)
    assert "\n" not in text
    assert text.count("\r") == 4
    assert "[" in text
    assert "30%" in text
    assert text.endswith("\r\x1b[K")
