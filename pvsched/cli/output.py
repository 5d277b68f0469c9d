"""Text for people: tables, sizes, spans of time. Everything here is plain ASCII and returns strings."""

from __future__ import annotations

import sys
from collections.abc import Sequence

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import Any


def print_json(document: Any) -> None:
    import json

    json.dump(document, sys.stdout, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False)
    sys.stdout.write("\n")


def size(count: float) -> str:
    """A number of bytes: 999 B, 1.5 KiB, 64.0 MiB."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024 or unit == "GiB":
            break
    return f"{count:.1f} {unit}"


def span(seconds: float | None) -> str:
    """A span of time: 85us, 1.2ms, 3.4s, 2m05s, 3h10m, 4d02h; '-' for None."""
    if seconds is None:
        return "-"
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f}us"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.1f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes}m{int(seconds) % 60:02}s"
    if minutes < 1440:
        return f"{minutes // 60}h{minutes % 60:02}m"
    return f"{minutes // 1440}d{minutes // 60 % 24:02}h"


def table(
    titles: Sequence[str], rows: Sequence[Sequence[object]], right: str = "", width: int | None = None
) -> list[str]:
    """Aligned lines. right: for each column 'r' or 'l' (left where it is shorter). width: lines are cut there."""
    texts = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    texts = [list(titles), *texts] if any(titles) else texts
    widths = [max((len(row[i]) for row in texts), default=0) for i in range(len(titles))]
    sides = right.ljust(len(titles), "l")
    lines = []
    for row in texts:
        cells = [
            text.rjust(w) if side == "r" else text.ljust(w) for text, w, side in zip(row, widths, sides, strict=False)
        ]
        lines.append("  ".join(cells).rstrip()[:width])
    return lines


def printable(text: str) -> str:
    """What a terminal may safely be sent: a task's name or message must not move the cursor."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(line + "\n" for line in lines))
