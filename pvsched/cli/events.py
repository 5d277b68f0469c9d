"""`pvsched events`: what the scheduler said happened, oldest first; --follow stays and waits for more."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from pvsched.cli import exits
from pvsched.cli.arguments import Parser, options, parser
from pvsched.cli.client import Client, client
from pvsched.cli.output import printable, span

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import Any

WAIT = 25  # seconds that one question stays open at the daemon


def build() -> Parser:
    made = parser("events", "Events, oldest first. With --json one document a line.")
    made.add_argument("-f", "--follow", action="store_true", help="stay, and print what comes")
    made.add_argument("--after", type=int, metavar="N", help="only those after event N (default: all that are kept)")
    made.add_argument("--type", metavar="TYPE", action="append", help="only of this type (may be given more than once)")
    return made


def pages(talk: Client, after: int, follow: bool) -> Iterator[dict[str, Any]]:
    """The daemon's answers, one after another: one, or with follow for ever."""
    page = talk.get(f"/events?after={after}&wait=0")
    yield page
    while follow or page["events"]:
        page = talk.get(f"/events?after={page['next']}&wait={WAIT if follow else 0}")
        yield page


def line(event: dict[str, Any]) -> str:
    """SEQ  TIME  TYPE  #ID  what else it says."""
    rest = " ".join(f"{name}={brief(value)}" for name, value in told(event) if value not in (None, ""))
    number = f"#{event['id']}" if event.get("id") is not None else "-"
    return printable(f"{event['seq']:>6}  {stamp(event.get('time'))}  {event['type']:<15} {number:<7} {rest}".rstrip())


def told(event: dict[str, Any]) -> list[tuple[str, Any]]:
    """What an event says, moments as spans: how long a task waited and ran."""
    data = dict(event.get("data") or {})
    queued, started, ended = (data.pop(name, None) for name in ("queued_at", "started_at", "ended_at"))
    begun = started if started is not None else ended
    spans = [("waited", queued, begun), ("ran", started, ended)]
    return [*data.items(), *((name, span(b - a)) for name, a, b in spans if a is not None and b is not None)]


def brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text if len(text) <= 60 else text[:57] + "..."


def stamp(when: Any) -> str:
    """Wall-clock events as local time of day; monotonic ones as seconds."""
    if isinstance(when, str):
        return when[11:23]
    if not isinstance(when, (int, float)):
        return "-"
    if when < 1e9:
        return f"{when:11.3f}"
    import time

    return time.strftime("%H:%M:%S", time.localtime(when)) + f"{when % 1:.3f}"[1:]


def show(page: dict[str, Any], chosen: argparse.Namespace) -> None:
    if page.get("missed") and not chosen.json:
        sys.stdout.write(f"   ...  {page['missed']} older events are no longer kept\n")
    for event in page["events"]:
        if not chosen.type or event["type"] in chosen.type:
            sys.stdout.write((json.dumps(event) if chosen.json else line(event)) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    chosen = options(build(), arguments)
    with client(chosen.socket, timeout=WAIT + 35.0) as talk:
        for page in pages(talk, chosen.after or 0, chosen.follow):
            show(page, chosen)
    return exits.OK
