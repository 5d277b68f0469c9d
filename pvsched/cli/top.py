"""`pvsched top`: the daemon, live. Made for an 80x24 serial line; elsewhere than on a terminal, one picture."""

from __future__ import annotations

import time

from pvsched.cli import exits
from pvsched.cli.arguments import Parser, options, parser
from pvsched.cli.client import Client, client
from pvsched.cli.failure import CommandError
from pvsched.cli.output import print_json, say, span, table
from pvsched.cli.screen import Screen, is_terminal
from pvsched.cli.status import gather, lines, metric
from pvsched.cli.tasks import ENDED, LIVE, ended_rows, live_rows, waiting_total

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

LIVE_ROWS = 10


def build() -> Parser:
    made = parser("top", "The daemon, live. Keys: q leaves, space draws now, + and - change the interval.")
    made.add_argument("-n", "--interval", type=float, default=2.0, metavar="SECONDS", help="default 2")
    return made


class Rates:
    """Counters as so many a second, from one picture to the next."""

    NAMES = (
        ("ended", "pvsched_tasks_ended_total"),
        ("requests", "pvsched_requests_total"),
        ("kills", "pvsched_kills_total"),
    )

    def __init__(self) -> None:
        self.before: dict[str, float] = {}
        self.at = 0.0

    def text(self, document: Document, now: float) -> str:
        found = {word: metric(document, name) for word, name in self.NAMES}
        spent = now - self.at
        rates = {word: (found[word] - self.before.get(word, found[word])) / spent for word in found}
        self.before, self.at = found, now
        return "  ".join(f"{word} {rate:.1f}/s" for word, rate in rates.items())


def picture(document: Document, rates: Rates, now: float) -> list[str]:
    """The lines of one picture, the most urgent first: it is cut at the bottom."""
    tasks = document["tasks"]
    live = [*tasks["running"], *tasks["waiting"]]
    shown = [f"pvsched top  {time.strftime('%H:%M:%S')}  {rates.text(document, now)}", *lines(document), ""]
    shown += table(LIVE, live_rows(live[:LIVE_ROWS], now), "rllrlr") if live else ["nothing runs, nothing waits"]
    more = len(tasks["running"]) + waiting_total(tasks) - LIVE_ROWS
    if more > 0:
        shown.append(f"... and {more} more")
    ended = list(reversed(tasks["ended"][-20:]))
    return [*shown, "", *table(ENDED, ended_rows(ended, now), "rllrrr")] if ended else shown


def look(talk: Client, rates: Rates) -> list[str]:
    """One picture, or why there is none: `top` outlives a restart of the daemon."""
    try:
        return picture(gather(talk), rates, time.monotonic())
    except CommandError as problem:
        talk.close()
        return [f"pvsched top  {time.strftime('%H:%M:%S')}", problem.text, f"next: {problem.hint}"]


def pressed(key: str | None, interval: float) -> float | None:
    """The interval after this key; None to leave."""
    if key in ("q", "Q", "", "\x04"):
        return None
    return {"+": max(0.5, interval / 2), "-": min(60.0, interval * 2)}.get(key or "", interval)


def watch(talk: Client, interval: float) -> None:
    rates = Rates()
    with Screen() as screen:
        due = 0.0
        while True:
            now = time.monotonic()
            if now >= due:
                screen.draw([*look(talk, rates), "", f"every {span(interval)}; q leaves"])
                due = now + interval
            key = screen.key(max(0.0, due - time.monotonic()))
            after = pressed(key, interval)
            if after is None:
                return
            due = 0.0 if key == " " else due
            interval = after


def main(arguments: list[str]) -> int:
    chosen = options(build(), arguments)
    with client(chosen.socket) as talk:
        if chosen.json:
            print_json(gather(talk))
        elif not is_terminal():
            say(picture(gather(talk), Rates(), time.monotonic()))
        else:
            gather(talk)
            watch(talk, max(0.2, chosen.interval))
    return exits.OK
