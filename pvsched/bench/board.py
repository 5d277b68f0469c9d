"""`pvsched bench --board`: the figures of one machine, with what a reader must know of it to compare them.

A board has no peers from PyPI, and needs none: what is not installed is left out, and said. The million tasks are left
out, too: they want 300 MB. `python -m pvsched.bench.board FILE...` prints the table of board/results/README.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from pvsched import __version__, machine
from pvsched.bench.rows import Effort, Row
from pvsched.bench.table import markdown, number

TOPICS = ("pool", "fork", "lateness", "queue", "objects", "latency", "http", "memory", "startup")
EFFORT = Effort(3, 0.1)
BLOCK = 1 << 18
MIB = 1 << 20
# Words of /proc/cpuinfo that make SHA-256 ten times faster: of x86, and of ARM.
SHA_FLAGS = {"sha_ni", "sha2"}
# What the table of all boards shows: topic, beginning of the row's name, beginning of the peer's name.
SHOWN = (
    ("pool", "pool, one task a message", "ProcessPoolExecutor"),
    ("pool", "pool, single round trip", "ProcessPoolExecutor"),
    ("fork", "fork a task, small heap", "os.fork"),
    ("queue", "queue, pop + push, 10,000 waiting", "heapq"),
    ("objects", "PUT", "SHA-256"),
    ("objects", "GET", "sendfile"),
    ("latency", "small GET every 2 ms, p99, under PUTs", ""),
    ("memory", "daemon idle, RSS", ""),
    ("startup", "daemon, exec to its first answer", ""),
)


def sha256_speed(seconds: float = 0.5, rounds: int = 3) -> float:
    """Megabytes a second in one thread, blocks of 256 KiB: the median of some rounds."""
    block, found = os.urandom(BLOCK), []
    for _ in range(rounds):
        digest, size, began = hashlib.sha256(), 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            digest.update(block)
            size += BLOCK
        found.append(size / 1e6 / (time.perf_counter() - began))
    return median(found)


def sha_instructions(root: str = "") -> bool:
    """Whether the processor has instructions for SHA-256."""
    words = set(machine.text_of(root + machine.CPUINFO).split())
    return bool(words & SHA_FLAGS)


def frequency(root: str = "") -> int:
    """The first core's highest clock in MHz; 0 where nobody tells."""
    text = machine.text_of(root + "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    return int(text) // 1000 if text.isdigit() else 0


def facts(note: str = "") -> dict[str, Any]:
    """What the figures depend on. SHA-256 is measured: it takes two seconds."""
    kind, why = machine.kind()
    return {
        "model": machine.model(),
        "processor": machine.processor(),
        "kind": kind,
        "why": why,
        "note": note,
        "machine": platform.machine(),
        "bits": 64 if sys.maxsize > 1 << 32 else 32,
        "cores": machine.cores(),
        "mhz": frequency(),
        "memory": machine.memory().get("MemTotal", 0),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
        "python": platform.python_version(),
        "pvsched": __version__,
        "sha256_mb_s": round(sha256_speed(), 1),
        "sha256_instructions": sha_instructions(),
        "load": os.getloadavg()[0],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def measured(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """(the rows whose peers are here, the names of the peers that are not)."""
    absent = sorted({row.peer for row in rows if row.peer and row.theirs is None})
    return [row for row in rows if not (row.peer and row.theirs is None)], absent


def document(board: dict[str, Any], rows: Sequence[Row], left_out: Sequence[str], seconds: float) -> dict[str, Any]:
    """Everything, for a file in board/results/."""
    return {
        "board": board,
        "seconds": round(seconds, 1),
        "left_out": list(left_out),
        "rows": [row.document() for row in rows],
    }


def name_of(board: dict[str, Any]) -> str:
    """The board's name, or its processor's where it has none."""
    return str(board["model"] if board["model"] != "unknown" else board["processor"])


def busy(board: dict[str, Any]) -> bool:
    """Whether so much else ran at the start that the figures cannot be relied on."""
    return bool(board["load"] > board["cores"] / 2)


def told(board: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts, for people."""
    clock = f", up to {board['mhz']} MHz" if board["mhz"] else ""
    how = "with" if board["sha256_instructions"] else "without"
    return [
        ("board", board["model"]),
        ("real", f"no, {board['kind']}: {board['why']}" if board["why"] else "yes"),
        ("processor", f"{board['processor']}, {board['cores']} cores{clock}"),
        ("memory", f"{board['memory'] // MIB} MiB"),
        ("system", f"Linux {board['kernel']} {board['machine']}, {board['libc']}, Python {board['python']}"),
        ("SHA-256, one thread", f"{number(board['sha256_mb_s'])} MB/s, {how} instructions of the processor for it"),
        ("taken", f"{board['time']}, pvsched {board['pvsched']}, load average {board['load']:.1f} at the start"),
        *(
            [("busy", "yes: other work had the processor, and these figures cannot be relied on")]
            if busy(board)
            else []
        ),
        *([("note", board["note"])] if board["note"] else []),
    ]


def page(board: dict[str, Any], rows: Sequence[Row], left_out: Sequence[str]) -> Iterator[str]:
    """A Markdown page: the facts, the table, the notes."""
    yield f"# {name_of(board)}" + (f" ({board['kind']})" if board["why"] else "")
    yield ""
    yield "| | |"
    yield "|---|---|"
    for name, value in told(board):
        yield f"| {name} | {value} |"
    yield ""
    yield from markdown(rows)
    yield ""
    yield from without(left_out)


def without(left_out: Sequence[str]) -> Iterator[str]:
    """What was not measured, in words."""
    if left_out:
        yield f"Left out, because they are not installed here: {', '.join(left_out)}."
    yield "Left out on every board: a million tasks at once, which want 300 MB."


def summary(documents: dict[str, dict[str, Any]]) -> Iterator[str]:
    """One line a board, for the README of board/results. {name of the page: document}"""
    titles = ["board", "real", "cores", "memory", "SHA-256"]
    for _, name, peer in SHOWN:
        titles.append(f"{name} / {peer}" if peer else name)
    yield "| " + " | ".join(titles) + " |"
    yield "|" + "---|" * len(titles)
    for page_name, found in documents.items():
        board = found["board"]
        words = [board["kind"] if board["why"] else "yes", *(["busy"] if busy(board) else [])]
        real = ", ".join(words) if words == ["yes"] else f"**{', '.join(words)}**"
        cells = [f"[{name_of(board)}, {board['machine']}]({page_name}.md)", real, str(board["cores"])]
        cells += [f"{board['memory'] // MIB} MiB", f"{number(board['sha256_mb_s'])} MB/s"]
        cells += [shown(found["rows"], *wanted) for wanted in SHOWN]
        yield "| " + " | ".join(cells) + " |"


def shown(rows: Sequence[dict[str, Any]], topic: str, name: str, peer: str) -> str:
    """One cell: the ratio to a peer, or the figure itself."""
    for row in rows:
        if row["topic"] == topic and row["name"].startswith(name) and row["peer"].startswith(peer):
            return number(row["ratio"]) if peer else number(row["ours"], row["unit"])
    return "-"


def main(paths: Sequence[str]) -> int:
    """Prints the table of some results."""
    documents = {}
    for path in paths:
        try:
            with open(path) as file:
                documents[os.path.basename(path).removesuffix(".json")] = json.load(file)
        except (OSError, ValueError) as problem:
            sys.stderr.write(f"{path} is no result: {problem}\n  next: pvsched bench --board --json {path}\n")
            return 100
    sys.stdout.write("\n".join([*summary(documents), ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
