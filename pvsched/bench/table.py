"""The result for people (a table) and for programs (a JSON document)."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from typing import Any

from pvsched.bench.rows import Row
from pvsched.cli.output import table

TITLES = ("WHAT", "OURS", "PEER", "PEER'S", "RATIO", "SPREAD", "REACH", "STRETCH", "")


def number(value: float | None, unit: str = "") -> str:
    """Three significant figures, no more digits than a person reads."""
    if value is None:
        return "-"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def cells(row: Row) -> list[str]:
    spread = "-" if row.low is None else f"{number(row.low)}..{number(row.high)}"
    target = row.target
    of = "" if target is None or target.of == "ratio" else f" {row.unit}"
    reach = "-" if target is None else target.text(target.reach) + of
    stretch = "-" if target is None else target.text(target.stretch)
    verdict = {"-": "", "stretch": "STRETCH", "met": "met", "missed": "MISSED"}[row.verdict]
    theirs = number(row.theirs, row.unit) if row.peer else "-"
    return [row.name, number(row.ours, row.unit), row.peer, theirs, number(row.ratio), spread, reach, stretch, verdict]


def lines(rows: Sequence[Row]) -> list[str]:
    """The table, and below it the notes."""
    shown = table(TITLES, [cells(row) for row in rows], "lrlrrrrrl")
    judged = [row.verdict for row in rows if row.verdict != "-"]
    counts = [f"{judged.count(word)} {word}" for word in ("stretch", "met", "missed")]
    notes = [f"  {row.name}: {row.note}" for row in rows if row.note]
    return [*shown, "", f"{len(judged)} targets: " + ", ".join(counts), *notes]


def markdown(rows: Sequence[Row]) -> list[str]:
    """The same rows as a table for the docs."""
    shown = ["| what | ours | peer | ratio (spread) | reach | stretch | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        name, ours, peer, theirs, ratio, spread, reach, stretch, verdict = cells(row)
        beside = f"{peer} {theirs}" if peer and row.theirs is not None else peer or "-"
        figure = "-" if spread == "-" else f"{ratio} ({spread})" if row.ratio is not None else f"({spread})"
        shown.append(f"| {name} | {ours} | {beside} | {figure} | {reach} | {stretch} | {verdict} |")
    return shown


def document(rows: Sequence[Row], seconds: float) -> dict[str, Any]:
    return {"machine": machine(), "seconds": round(seconds, 1), "rows": [row.document() for row in rows]}


def machine() -> dict[str, Any]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }
