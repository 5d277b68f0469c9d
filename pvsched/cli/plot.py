"""A latency plot for a terminal: time to the right, the longest wait of each slice upwards, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN = " ...:::##"  # the same eight heights for a terminal without Unicode
LOWEST, DECADES = 1e-5, 5  # from 10 us to 1 s
TICKS = {1e-4: "0.1 ms", 1e-3: "1 ms", 1e-2: "10 ms", 1e-1: "100 ms", 1.0: "1 s"}
ROWS_A_DECADE = 2


def height(seconds: float, rows: int) -> int:
    """Eighths of a row that a wait takes, 0 for none."""
    if seconds <= LOWEST:
        return 0
    return max(1, min(rows * 8, round(math.log10(seconds / LOWEST) / DECADES * rows * 8)))


def plot(worst: Sequence[float], *, ascii_only: bool = False) -> list[str]:
    """Lines of a plot as wide as `worst` has slices, with a scale at the left."""
    rows = DECADES * ROWS_A_DECADE
    glyphs = PLAIN if ascii_only else BLOCKS
    heights = [height(value, rows) for value in worst]
    lines = []
    for row in range(rows, 0, -1):
        top = LOWEST * 10 ** (row / ROWS_A_DECADE)
        label = next((text for value, text in TICKS.items() if abs(value / top - 1) < 0.01), "")
        cells = "".join(glyphs[max(0, min(8, tall - 8 * (row - 1)))] for tall in heights)
        lines.append(f"{label:>7} {'|' if ascii_only else '│'}{cells}".rstrip())
    lines.append(" " * 8 + ("+" if ascii_only else "└") + ("-" if ascii_only else "─") * len(heights))
    return lines
