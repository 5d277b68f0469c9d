"""`pvsched bench`: this machine, measured against the peers that are installed on it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from pvsched.bench import board
from pvsched.bench.orphans import clean_up_on_sigterm
from pvsched.bench.rows import Effort, Row
from pvsched.cli import exits
from pvsched.cli.arguments import Parser, options, parser
from pvsched.cli.failure import misuse
from pvsched.cli.output import print_json, say
from pvsched.errors import PvschedError

# topic -> what it measures; each is the module pvsched.bench.<topic> with rows(effort)
TOPICS = {
    "pool": "long-lived workers against ProcessPoolExecutor, multiprocessing, pebble, billiard",
    "fork": "a process or a program a task against os.fork, multiprocessing, subprocess, asyncio",
    "lateness": "from a deadline to a dead child, against asyncio, subprocess, pebble",
    "queue": "the queue in C against heapq and sortedcontainers",
    "million": "a million queued tasks",
    "objects": "PUT and GET against SHA-256 and sendfile",
    "latency": "a small request every 2 ms under load",
    "http": "small requests a second against h11",
    "memory": "memory and wake-ups of what is idle",
    "startup": "imports, commands, the daemon",
}


def build() -> Parser:
    made = parser(
        "bench",
        "Measures this machine against the peers that are installed (make bench installs them).",
        talks=False,
        json=False,
    )
    made.add_argument("--quick", action="store_true", help="3 rounds of a tenth of the work: minutes become seconds")
    made.add_argument(
        "--board",
        action="store_true",
        help="for target hardware: without peers from PyPI that are not here; tells what machine it is",
    )
    made.add_argument("--note", metavar="TEXT", default="", help="goes into the result of --board")
    made.add_argument("--rounds", type=int, metavar="N", help="rounds of each contest (default 7)")
    made.add_argument("--only", metavar="TOPIC", action="append", help="only this topic (may be given more than once)")
    made.add_argument("--list", action="store_true", help="the topics")
    made.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="JSON to FILE beside the table, or instead of it"
    )
    made.add_argument("--markdown", metavar="FILE", help="also write the table for a page of docs")
    return made


def chosen_topics(chosen: argparse.Namespace) -> list[str]:
    names = [name for only in chosen.only or (board.TOPICS if chosen.board else TOPICS) for name in only.split(",")]
    wrong = [name for name in names if name not in TOPICS]
    if wrong:
        raise misuse(f"there is no topic {wrong[0]!r}", "pvsched bench --list")
    return names


def measured(name: str, effort: Effort) -> list[Row]:
    """The rows of one topic. What broke is told, and the other topics go on."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{name} ...\x1b[K")
    began = time.perf_counter()
    try:
        rows: list[Row] = import_module(f"pvsched.bench.{name}").rows(effort)
    except Exception as problem:  # a defect too: on a board what the others took minutes for is not to be lost with it
        foreseen = isinstance(problem, (RuntimeError, OSError, PvschedError))
        what = str(problem) if foreseen else f"{type(problem).__name__}: {problem}"
        sys.stderr.write(f"\rbench: {name} broke off: {what}\n")
        return []
    clear, end = ("\r", "\x1b[K\n") if sys.stderr.isatty() else ("", "\n")
    sys.stderr.write(f"{clear}{name}: {time.perf_counter() - began:.0f} s{end}")
    sys.stderr.flush()
    return rows


def effort_of(chosen: argparse.Namespace) -> Effort:
    """A quick look is a tenth of the work; so is a board's, whose processor is ten times slower."""
    usual = board.EFFORT if chosen.board else Effort(3, 0.1) if chosen.quick else Effort()
    if chosen.board and chosen.quick:
        usual = Effort(1, 0.02)
    return Effort(chosen.rounds or usual.rounds, usual.scale)


def result_of(
    chosen: argparse.Namespace, facts: dict[str, Any], rows: list[Row], seconds: float
) -> tuple[dict[str, Any], list[str], list[str]]:
    """(the document, the Markdown, what is shown) of the rows so far."""
    from pvsched.bench.table import document, lines, markdown

    if not chosen.board:
        return document(rows, seconds), markdown(rows), lines(rows)
    rows, absent = board.measured(rows)
    about = [f"{name}: {value}" for name, value in board.told(facts)]
    shown = [*about, "", *lines(rows), *board.without(absent)]
    return board.document(facts, rows, absent, seconds), list(board.page(facts, rows, absent)), shown


def keep(chosen: argparse.Namespace, result: dict[str, Any], text: Iterable[str]) -> None:
    """Writes the files that were asked for, each whole or not at all."""
    if chosen.json not in (None, False, "-"):
        replace(chosen.json, json.dumps(result, indent=1) + "\n")
    if chosen.markdown:
        replace(chosen.markdown, "\n".join([*text, ""]))


def check_places(chosen: argparse.Namespace) -> None:
    """Raises CommandError for a file that cannot be written: told after measuring it would cost a minute."""
    for path in (chosen.json, chosen.markdown):
        if not path or path == "-":
            continue
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise misuse(f"there is no folder {folder}", f"mkdir -p {folder}")
        if os.path.isdir(path) or not os.access(path if special(path) and os.path.exists(path) else folder, os.W_OK):
            raise misuse(f"{path} cannot be written", "pvsched bench --help")


def special(path: str) -> bool:
    """Whether it is written where it is: no plain file, or a link, as /dev/stdout is one to whatever is behind it. Any
    other is made anew in its folder.
    """
    return os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path))


def replace(path: str, text: str) -> None:
    """Puts a text into a file: whole or not at all, if that is an ordinary one under a name of its own."""
    if special(path):
        with open(path, "w") as out:
            out.write(text)
        return
    with open(path + ".new", "w") as out:
        out.write(text)
    os.replace(path + ".new", path)


def main(arguments: list[str]) -> int:
    chosen = options(build(), arguments)
    if chosen.list:
        say([f"{name:<9} {text}" for name, text in TOPICS.items()])
        return exits.OK
    if chosen.rounds is not None and chosen.rounds < 1:
        raise misuse("--rounds must be above zero", "pvsched bench --help")
    check_places(chosen)
    clean_up_on_sigterm()
    effort = effort_of(chosen)
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)  # contestants find what we found
    began = time.perf_counter()
    topics = chosen_topics(chosen)
    facts = board.facts(chosen.note) if chosen.board else {}
    found: dict[str, list[Row]] = {}
    shown: list[str] = []
    result: dict[str, Any] = {}
    for name in topics:
        found[name] = measured(name, effort)
        rows = [row for some in found.values() for row in some]
        result, text, shown = result_of(chosen, facts, rows, time.perf_counter() - began)
        keep(chosen, result, text)  # after each topic: a board may lose its power, or its reader the patience
    if chosen.json == "-":
        print_json(result)
    else:
        say(shown)
    return exits.OK if all(found.values()) else exits.FAILED
