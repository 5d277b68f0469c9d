"""Progress of a long transfer on stderr: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import os
import sys
import time

from pvsched.cli.output import size, span

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import TextIO

REDRAW = 0.2  # seconds between two drawings on a terminal: a serial line carries 11 KB a second
LINE = 5.0  # seconds between two lines elsewhere


class Progress:
    """Tells how far a transfer is. done: bytes that were there before it began (a resumed get)."""

    def __init__(
        self, label: str, total: int | None, *, done: int = 0, quiet: bool = False, out: TextIO | None = None
    ) -> None:
        self.out = sys.stderr if out is None else out
        self.label, self.total, self.done, self.quiet = label, total, done, quiet
        self.before = done
        self.began = time.monotonic()
        self.live = not quiet and self.out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.next = self.began + (REDRAW if self.live else LINE)
        self.drawn = False

    def __call__(self, count: int) -> None:
        """count more bytes have gone by."""
        self.done += count
        now = time.monotonic()
        if not self.quiet and now >= self.next:
            self._draw(now)
            self.next = now + (REDRAW if self.live else LINE)

    def rate(self, now: float) -> float:
        """Bytes a second in this transfer, 0.0 at its start."""
        spent = now - self.began
        return (self.done - self.before) / spent if spent > 0 else 0.0

    def text(self, now: float) -> str:
        rate = self.rate(now)
        words = [self.label, size(self.done)]
        if self.total:
            words.append(f"of {size(self.total)} {100 * self.done // self.total:3}%")
        words.append(f"{size(rate)}/s")
        if self.total and rate and self.done < self.total:
            words.append(f"{span((self.total - self.done) / rate)} left")
        return "  ".join(words)

    def bar(self, width: int) -> str:
        if not self.total or width < 4:
            return ""
        full = width * self.done // self.total
        return "[" + "#" * full + "." * (width - full) + "]  "

    def _draw(self, now: float) -> None:
        text = self.text(now)
        if self.live:
            columns = os.get_terminal_size(self.out.fileno()).columns or 80
            bar = self.bar(min(24, columns - len(text) - 6))
            text = "\r" + (bar + text)[: columns - 1] + "\x1b[K"
        self.out.write(text if self.live else text + "\n")
        self.out.flush()
        self.drawn = True

    def end(self) -> None:
        """Takes the bar off the screen; the caller says how it ended."""
        if self.live and self.drawn:
            self.out.write("\r\x1b[K")
            self.out.flush()
