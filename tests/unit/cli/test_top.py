"""`pvsched top` and its screen, on a real pseudo terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl
from typing import Any

import pytest

from pvsched.cli import exits, main
from pvsched.cli.screen import Screen
from tests.patience import patience


class Terminal:
    """A pseudo terminal of a given size."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.keeper, self.user = pty.openpty()
        ioctl(self.user, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> str:
        """What has been written to it so far."""
        text = b""
        while select.select([self.keeper], [], [], 0.05)[0]:
            text += os.read(self.keeper, 65536)
        return text.decode()

    def until(self, part: str) -> str:
        """What is written until this part has come."""
        text = b""
        while part.encode() not in text:
            assert select.select([self.keeper], [], [], 30)[0], text
            text += os.read(self.keeper, 65536)
        return text.decode()

    def close(self) -> None:
        os.close(self.keeper)
        os.close(self.user)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def test_only_changed_lines_are_sent_again(terminal: Terminal) -> None:
    """The second picture sends the line that differs, the third nothing."""
    with Screen(terminal.user, terminal.user, "vt100") as screen:
        screen.draw(["one", "two", "three"])
        terminal.read()
        screen.draw(["one", "2", "three"])
        assert terminal.read() == "\x1b[2;1H2\x1b[K"
        screen.draw(["one", "2", "three"])
        assert terminal.read() == ""
        screen.draw(["one"])
        assert terminal.read() == "\x1b[2;1H\x1b[K\x1b[3;1H\x1b[K"


def test_what_does_not_fit_is_cut_and_never_scrolls(terminal: Terminal) -> None:
    """No line is as wide as the screen, and the last row stays free."""
    with Screen(terminal.user, terminal.user, "vt100") as screen:
        screen.draw(["x" * 200] * 50)
        text = terminal.read()
    assert "\n" not in text
    assert text.count("\x1b[K") == 23
    assert "x" * 79 in text
    assert "x" * 80 not in text


def test_a_serial_line_that_tells_no_size_is_80x24() -> None:
    """0x0, which is what a serial console says, is taken as 80x24."""
    made = Terminal(0, 0)
    assert Screen(made.user, made.user, "vt100").dimensions() == (80, 24)
    made.close()


def test_a_dumb_terminal_gets_no_control_characters(terminal: Terminal) -> None:
    """TERM=dumb: each picture stands below the last one, in plain text."""
    with Screen(terminal.user, terminal.user, "dumb") as screen:
        screen.draw(["one"])
        screen.draw(["one"])
    assert "\x1b" not in terminal.read()


def attributes(terminal: Terminal) -> list[Any]:
    """What the terminal is set to. Of the control characters a kernel has 19; what musl has behind them is chance."""
    *flags, characters = termios.tcgetattr(terminal.user)
    return [*flags, characters[:19]]


def interrupted(terminal: Terminal) -> None:
    with Screen(terminal.user, terminal.user, "vt100"):
        assert termios.tcgetattr(terminal.user)[3] & (termios.ECHO | termios.ICANON) == 0
        raise KeyboardInterrupt


def test_the_terminal_is_given_back_as_it_was(terminal: Terminal) -> None:
    """Echo and line mode are off inside and back afterwards, after an exception too; the cursor is shown again."""
    before = attributes(terminal)
    with pytest.raises(KeyboardInterrupt):
        interrupted(terminal)
    assert attributes(terminal) == before
    assert terminal.read().endswith("\x1b[?25h")


def test_without_a_terminal_it_is_one_picture(working: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """To a pipe `top` prints once, without control characters."""
    assert main(["top"]) == exits.OK
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "object_put" in out
    assert "lane objects is at its limit" in out


def test_json_is_one_document(working: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives what the picture is made of."""
    assert main(["top", "--json"]) == exits.OK
    assert json.loads(capsys.readouterr().out)["metrics"]["pvsched_objects_bytes"] == 2048


def test_it_draws_on_a_vt100_and_q_leaves(working: Any, terminal: Terminal) -> None:
    """The whole command on an 80x24 terminal: a picture within it, then q, then the terminal as it was."""
    before = attributes(terminal)
    process = subprocess.Popen(
        [sys.executable, "-m", "pvsched", "top", "-n", "30"],
        stdin=terminal.user,
        stdout=terminal.user,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "vt100"},
    )
    text = terminal.until("q leaves")
    assert "object_put" in text
    os.write(terminal.keeper, b"q")
    _, error = process.communicate(timeout=patience(30))
    assert (process.returncode, error) == (exits.OK, b"")
    assert attributes(terminal) == before


def test_it_outlives_a_daemon_that_goes_away(working: Any, terminal: Terminal) -> None:
    """When nobody answers any more the picture says so, and q still leaves."""
    command = [sys.executable, "-m", "pvsched", "top", "-n", "30"]
    environment = {**os.environ, "TERM": "vt100"}
    process = subprocess.Popen(command, stdin=terminal.user, stdout=terminal.user, env=environment)
    terminal.until("q leaves")
    os.rename(working.path, working.path + ".gone")
    working.answers.clear()
    working.answers["GET", "/healthz"] = lambda client, head, rest: False
    os.write(terminal.keeper, b" ")
    terminal.until("no daemon answers")
    os.write(terminal.keeper, b"q")
    assert process.wait(patience(30)) == exits.OK
    os.rename(working.path + ".gone", working.path)
