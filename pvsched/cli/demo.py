"""`pvsched demo`: a real daemon stores and serves 64 MiB objects while a small question is asked every 2 ms.

First with workers = 0, where the main loop does the storing as a real Pantavisor does; then with two workers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from typing import Any

from pvsched.bench.load import MIB, Load
from pvsched.bench.orphans import clean_up_on_sigterm
from pvsched.bench.probe import PERIOD, Latencies, probe
from pvsched.bench.service import Service
from pvsched.cli import exits
from pvsched.cli.arguments import Parser, options, parser
from pvsched.cli.failure import misuse, system
from pvsched.cli.output import print_json, say, span, table
from pvsched.cli.plot import plot

COLUMNS = 64
# A real Pantavisor (commit 303584a7) under the same questions, recorded on another machine; PUTs only, without fsync.
RECORDED = {
    "source": "recorded elsewhere",
    "p50": 84e-6,
    "p99": 0.176,
    "max": 0.216,
    "asked_a_second": 500,
    "answered_a_second": 137,
    "put_mb": 293.0,
    "get_mb": 1.02,
}
Document = dict[str, Any]


def build() -> Parser:
    made = parser(
        "demo", "Small questions while large objects are stored and fetched, without and with workers.", talks=False
    )
    made.add_argument("--seconds", type=float, default=10.0, help="of each of the two runs (default 10)")
    made.add_argument("--size", type=int, default=64, metavar="MIB", help="of an object (default 64)")
    made.add_argument("--workers", type=int, default=2, metavar="N", help="of the second run (default 2)")
    made.add_argument("--state", metavar="DIR", help="make the temporary files below DIR (default: TMPDIR)")
    made.add_argument("--ascii", action="store_true", help="no block characters in the plot")
    made.add_argument("--svg", metavar="FILE", help="also write the result as a picture")
    return made


def run(workers: int, chosen: argparse.Namespace) -> Document:
    """One run: figures, and the longest wait in each slice of time."""
    with Service(workers, chosen.state) as service:
        load = Load(service.socket, service.directory, chosen.size * MIB, ("put", "get"), service.objects())
        try:
            load.start()
            seen = probe(service.socket, chosen.seconds, tell=teller(workers, chosen))
            took = load.stop()
        finally:
            load.abort()
            untell(chosen)
    return figures(workers, chosen, seen, took)


def figures(workers: int, chosen: argparse.Namespace, seen: Latencies, took: dict[str, list[float]]) -> Document:
    size = chosen.size * MIB / 1e6
    return {
        "workers": workers,
        "seconds": chosen.seconds,
        "asked": seen.asked,
        "answered": len(seen.took),
        "p50": seen.quantile(0.5),
        "p99": seen.quantile(0.99),
        "max": max(seen.took, default=None),
        "puts": len(took["put"]),
        "gets": len(took["get"]),
        "put_mb": size * len(took["put"]) / sum(took["put"]) if took["put"] else None,
        "get_mb": size * len(took["get"]) / sum(took["get"]) if took["get"] else None,
        "slices": seen.slices(COLUMNS, chosen.seconds),
    }


def teller(workers: int, chosen: argparse.Namespace) -> Any:
    if chosen.json or not sys.stderr.isatty():
        return None

    def tell(seconds: float) -> None:
        sys.stderr.write(f"\rworkers={workers}: {seconds:4.1f} of {chosen.seconds:.0f} s ")
        sys.stderr.flush()

    return tell


def untell(chosen: argparse.Namespace) -> None:
    if not chosen.json and sys.stderr.isatty():
        sys.stderr.write("\r" + " " * 40 + "\r")


# -- what is shown --------------------------------------------------------------------------------


def rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} MB/s" if value >= 10 else f"{value:.2f} MB/s"


def column(found: Document) -> list[str]:
    share = 100 * found["answered"] / found["asked"] if found["asked"] else 0
    answered = f"{found['answered']} of {found['asked']} ({share:.0f}%)"
    return [
        answered,
        *(span(found[name]) for name in ("p50", "p99", "max")),
        rate(found["put_mb"]),
        rate(found["get_mb"]),
    ]


def summary(runs: list[Document]) -> list[str]:
    """The table: one column a run, the recorded Pantavisor beside them."""
    peer = column({**RECORDED, "answered": RECORDED["answered_a_second"], "asked": RECORDED["asked_a_second"]})
    titles = ["", *(f"workers={found['workers']}" for found in runs), "Pantavisor*"]
    names = ["answered of asked", "p50", "p99", "max", "PUT", "GET"]
    columns = [column(found) for found in runs]
    rows = [(name, *cells) for name, *cells in zip(names, *columns, peer, strict=True)]
    return [
        *table(titles, rows, "lrrr"),
        "* a real one, 64 MiB PUTs or GETs alone; recorded elsewhere, one second of questions, PUT without fsync",
    ]


def shown(document: Document, ascii_only: bool) -> list[str]:
    runs = document["runs"]
    size, seconds = document["size_mib"], runs[0]["seconds"]
    what = f"while {size} MiB objects are put and got without pause"
    lines = [f"GET /containers every {span(PERIOD)} for {seconds:.0f} s, {what}", ""]
    lines += summary(runs)
    for found in runs:
        title = f"longest wait in each {span(found['seconds'] / COLUMNS)}, workers={found['workers']}:"
        lines += ["", title, *plot(found["slices"], ascii_only=ascii_only)]
    return lines


def unicode_works() -> bool:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return encoding == "utf8" and os.environ.get("TERM") not in ("linux", "vt100", "vt102", "vt220")


def check(chosen: argparse.Namespace) -> None:
    """Refuses what cannot work before anything is started."""
    if chosen.seconds <= 0 or chosen.size < 1 or chosen.workers < 1:
        raise misuse("--seconds, --size and --workers must be above zero", "pvsched demo --help")
    where = chosen.state or tempfile.gettempdir()
    if not os.path.isdir(where):
        raise misuse(f"{where} is not a directory", f"mkdir {where}")
    folder = os.path.dirname(os.path.abspath(chosen.svg)) if chosen.svg else where
    if not os.path.isdir(folder):
        raise misuse(f"{folder} is not a directory", f"mkdir {folder}")
    needed = 6 * chosen.size * MIB
    if shutil.disk_usage(where).free < needed:
        raise system(
            f"{where} has less than {needed // MIB} MiB free", "choose another place: pvsched demo --state DIR"
        )


def main(arguments: list[str]) -> int:
    chosen = options(build(), arguments)
    check(chosen)
    clean_up_on_sigterm()
    document = {"size_mib": chosen.size, "period": PERIOD, "runs": [], "recorded": RECORDED}
    for workers in (0, chosen.workers):
        if not chosen.json:
            say([f"pvsched run --workers {workers}: {chosen.seconds:.0f} s of {chosen.size} MiB objects ..."])
            sys.stdout.flush()
        document["runs"].append(run(workers, chosen))
    if chosen.json:
        print_json(document)
    else:
        say(["", *shown(document, chosen.ascii or not unicode_works())])
    if chosen.svg:
        from pvsched.cli.svg import svg

        with open(chosen.svg, "w", encoding="utf-8") as picture:
            picture.write(svg(["$ make demo", *shown(document, False)]))
    return exits.OK
