"""`pvsched tasks ls|show|cancel`."""

from __future__ import annotations

import argparse
import time

from pvsched.cli import exits
from pvsched.cli.arguments import Parser, common, options, parser
from pvsched.cli.client import Client, accepted, client
from pvsched.cli.failure import CommandError
from pvsched.cli.output import print_json, printable, say, span, table

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

ENDED_SHOWN = 10


def build() -> Parser:
    made = parser("tasks", "Tasks: running, waiting with the reason, and those that ended lately.")
    verbs = made.add_subparsers(dest="verb", metavar="ls|show|cancel", required=True)
    for name, text in (("ls", "list"), ("show", "everything about one"), ("cancel", "end tasks")):
        common(verbs.add_parser(name, help=text, description=text, allow_abbrev=False))
    verbs.choices["ls"].add_argument("-a", "--all", action="store_true", help="all that ended and are still known")
    verbs.choices["show"].add_argument("id", type=int)
    verbs.choices["cancel"].add_argument("ids", metavar="ID", type=int, nargs="+")
    return made


def main(arguments: list[str]) -> int:
    chosen = options(build(), arguments)
    with client(chosen.socket) as talk:
        return {"ls": ls, "show": show, "cancel": cancel}[chosen.verb](talk, chosen)


# -- what a list shows; `top` shows the same ------------------------------------------------------


def waiting_total(document: Document) -> int:
    """How many wait; the daemon shows the first of them alone, and tells in `pending` how many live."""
    return max(len(document["waiting"]), int(document.get("pending", 0)) - len(document["running"]))


def since(moment: Any, now: float) -> float | None:
    return max(0.0, now - moment) if isinstance(moment, (int, float)) else None


def live_rows(tasks: list[Document], now: float) -> list[tuple[object, ...]]:
    """One row a task that waits or runs: id, type, lane, priority, state, for how long, and why or where."""
    rows: list[tuple[object, ...]] = []
    for task in tasks:
        running = task.get("started_at") is not None
        age = span(since(task.get("started_at") if running else task.get("queued_at"), now))
        place = (task["id"], task["type"], task.get("lane", ""), task.get("priority", ""))
        rows.append((*place, task["state"], age, note(task, now)))
    return rows


def note(task: Document, now: float) -> str:
    """Why a task waits, or how far it is and when it must be done."""
    words = [str(task["reason"])] if task.get("reason") else []
    progress = task.get("progress")
    if isinstance(progress, dict) and progress.get("fraction") is not None:
        words.append(f"{100 * progress['fraction']:.0f}% {progress.get('message') or ''}".strip())
    if isinstance(task.get("deadline"), (int, float)):
        words.append(f"{span(max(0.0, task['deadline'] - now))} left")
    if task.get("worker"):
        words.append(f"pid {task['worker']}")
    return ", ".join(words)


def ended_rows(tasks: list[Document], now: float) -> list[tuple[object, ...]]:
    """One row a task that ended: id, type, outcome, how long it waited, ran, when it ended, and the error."""
    rows: list[tuple[object, ...]] = []
    for task in tasks:
        queued, started, ended = (task.get(name) for name in ("queued_at", "started_at", "ended_at"))
        waited = since(queued, started if started is not None else ended or now)
        ran = since(started, ended) if started is not None and ended is not None else None
        ago = since(ended, now)
        rows.append((task["id"], task["type"], task["outcome"], span(waited), span(ran), span(ago) + " ago", why(task)))
    return rows


def why(task: Document) -> str:
    """The error, who cancelled it, the time allowed; or what it says itself: a refused upload succeeds, too."""
    error = task.get("error") or {}
    text = f"{error.get('reason', '')}: {error.get('message', '')}".strip(": ")
    if task.get("by"):
        return f"by {task['by']}"
    data = task.get("data")
    told = str(data.get("result") or "") if isinstance(data, dict) else ""
    return text or (f"after {span(task['after'])}" if task.get("after") else told)


LIVE = ("ID", "TYPE", "LANE", "PRI", "STATE", "FOR", "NOTE")
ENDED = ("ID", "TYPE", "OUTCOME", "WAITED", "RAN", "ENDED", "WHY")


def ls(talk: Client, chosen: argparse.Namespace) -> int:
    document = talk.get("/tasks")
    if chosen.json:
        print_json(document)
        return exits.OK
    now = time.monotonic()
    live = [*document["running"], *document["waiting"]]
    if live:
        say(table(LIVE, live_rows(live, now), "rllrlr"))
    ended = document["ended"]
    say([f"{len(document['running'])} running, {waiting_total(document)} waiting, {len(ended)} ended lately"])
    shown = ended if chosen.all else ended[-ENDED_SHOWN:]
    if shown:
        say(["", *table(ENDED, ended_rows(shown, now), "rllrrr")])
    return exits.OK


def show(talk: Client, chosen: argparse.Namespace) -> int:
    document = talk.get(f"/tasks/{chosen.id}")
    if chosen.json:
        print_json(document)
        return exits.OK
    say(table(("", ""), list(flat(document))))
    return exits.OK


def flat(document: Document, prefix: str = "") -> list[tuple[str, str]]:
    """Nested keys as dotted names, one a line."""
    rows: list[tuple[str, str]] = []
    for name, value in document.items():
        if isinstance(value, dict) and value:
            rows += flat(value, f"{prefix}{name}.")
        elif value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((prefix + name, printable(text)))
    return rows


def cancel(talk: Client, chosen: argparse.Namespace) -> int:
    """Every id is tried; the status tells of the first that could not be cancelled."""
    results: list[Document] = []
    for number in chosen.ids:
        try:
            accepted(talk.ask("DELETE", f"/tasks/{number}"), 200, 202, 204).read()
            results.append({"id": number, "cancelled": True})
        except CommandError as problem:
            results.append({"id": number, "cancelled": False, "why": problem.text, "code": problem.code})
    if chosen.json:
        print_json(results)
    else:
        say([f"{item['id']}: {'is being ended' if item['cancelled'] else item['why']}" for item in results])
    return exits.OK if all(item["cancelled"] for item in results) else exits.FAILED
