"""A screen on a serial line: plain ANSI, and only the lines that changed are sent again."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Sequence
from types import TracebackType


class Screen:
    """Takes the terminal while it is open: keys come one by one, nothing is echoed. A terminal that cannot move its
    cursor (TERM=dumb) gets every picture below the one before."""

    def __init__(self, keys: int = 0, out: int = 1, term: str | None = None) -> None:
        self.keys, self.out = keys, out
        self.dumb = (os.environ.get("TERM") or "dumb" if term is None else term) == "dumb"
        self.shown: list[str] = []
        self.size = (0, 0)
        self.saved: list[object] | None = None

    def __enter__(self) -> Screen:
        if os.isatty(self.keys):
            self.saved = termios.tcgetattr(self.keys)
            tty.setcbreak(self.keys)
        if not self.dumb:
            self.write("\x1b[?25l")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.dumb:
            self.write(f"\x1b[{len(self.shown) + 1};1H\x1b[?25h")
        if self.saved is not None:
            termios.tcsetattr(self.keys, termios.TCSADRAIN, self.saved)  # type: ignore[arg-type]

    def write(self, text: str) -> None:
        data = text.encode("ascii", "replace")
        while data:
            data = data[os.write(self.out, data) :]

    def dimensions(self) -> tuple[int, int]:
        """(columns, rows). A serial line does not tell: 80x24."""
        try:
            columns, rows = os.get_terminal_size(self.out)
        except OSError:
            columns, rows = 0, 0
        return columns or 80, rows or 24

    def draw(self, lines: Sequence[str]) -> None:
        """Shows these lines; what does not fit is left out. Sends only what differs from what is there."""
        columns, rows = self.dimensions()
        lines = [line[: columns - 1] for line in lines[: rows - 1]]
        if self.dumb:
            self.write("".join(line + "\r\n" for line in [*lines, ""]))
            return
        text = ""
        if (columns, rows) != self.size:
            text, self.shown, self.size = "\x1b[2J", [], (columns, rows)
        for number in range(max(len(lines), len(self.shown))):
            new = lines[number] if number < len(lines) else ""
            if number >= len(self.shown) or self.shown[number] != new:
                text += f"\x1b[{number + 1};1H{new}\x1b[K"
        self.shown = list(lines)
        if text:
            self.write(text)

    def key(self, seconds: float) -> str | None:
        """The next key pressed within so many seconds, "" at the end of input, or None."""
        if not select.select([self.keys], [], [], seconds)[0]:
            return None
        return os.read(self.keys, 1).decode("latin-1")


def is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
