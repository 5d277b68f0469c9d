"""`pvsched status`: is it well, what is it doing, what waits and why, what failed lately."""

from __future__ import annotations

import time
from collections.abc import Mapping

from pvsched.cli import exits
from pvsched.cli.arguments import options, parser
from pvsched.cli.client import Client, accepted, client
from pvsched.cli.metrics import Metrics
from pvsched.cli.output import print_json, say, size, span, table
from pvsched.cli.tasks import ENDED, LIVE, ended_rows, live_rows, waiting_total

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

FAILED_SHOWN = 5


def gather(talk: Client) -> Document:
    """Everything that `status` and `top` show, from three small requests: {socket, healthy, health, tasks, metrics}."""
    health = talk.ask("GET", "/healthz")
    document: Document = {"socket": talk.path, "healthy": health.status == 200}
    document["health"] = (health if health.status == 503 else accepted(health)).json()
    document["tasks"] = talk.get("/tasks")
    metrics = Metrics(accepted(talk.ask("GET", "/metrics")).read().decode())
    document["metrics"] = {name: plain(samples) for name, samples in metrics.samples.items()}
    return document


def plain(samples: Mapping[tuple[tuple[str, str], ...], float]) -> object:
    """One unlabelled sample as its number, labelled ones by the text of their labels."""
    if list(samples) == [()]:
        return samples[()]
    return {",".join(f"{name}={value}" for name, value in labels): number for labels, number in samples.items()}


def metric(document: Document, name: str) -> float:
    """Sum of a metric over its labels; 0 where there is none."""
    found = document["metrics"].get(name, 0.0)
    return float(sum(found.values()) if isinstance(found, dict) else found)


def outcomes(document: Document) -> str:
    """How many tasks ended in which way."""
    found = document["metrics"].get("pvsched_tasks_ended_total") or {}
    sums: dict[str, float] = {}
    for labels, number in found.items() if isinstance(found, dict) else ():
        word = dict(pair.split("=", 1) for pair in labels.split(",")).get("outcome", "")
        sums[word] = sums.get(word, 0) + number
    return ", ".join(f"{number:.0f} {word}" for word, number in sums.items() if number) or "none yet"


def waiting(document: Document) -> str:
    longest = metric(document, "pvsched_tasks_longest_wait_seconds")
    count = waiting_total(document["tasks"])
    return f"{count} waiting" + (f", the longest for {span(longest)}" if count and longest else "")


def lines(document: Document) -> list[str]:
    """The summary: a name and a value a line."""
    health = document["health"]
    state = f"{health.get('status')} for {span(health.get('uptime'))}"
    refused, died = metric(document, "pvsched_tasks_refused_total"), metric(document, "pvsched_worker_deaths_total")
    rows = [
        ("daemon", f"{state}, version {health.get('version')}, pid {health.get('pid')}, at {document['socket']}"),
        ("memory", f"{size(metric(document, 'pvsched_memory_bytes'))} in the main process"),
        ("clients", f"{metric(document, 'pvsched_connections'):.0f} connected"),
        ("workers", f"{metric(document, 'pvsched_workers'):.0f}"),
        ("tasks", f"{len(document['tasks']['running'])} running, {waiting(document)}"),
        ("ended", outcomes(document)),
        ("objects", f"{metric(document, 'pvsched_objects'):.0f}, {size(metric(document, 'pvsched_objects_bytes'))}"),
    ]
    if refused or died:
        rows.append(("trouble", f"{refused:.0f} tasks refused, {died:.0f} workers died"))
    return table(("", ""), rows)


def main(arguments: list[str]) -> int:
    chosen = options(parser("status", "What the daemon is doing, in a few lines."), arguments)
    with client(chosen.socket) as talk:
        document = gather(talk)
    if chosen.json:
        print_json(document)
        return exits.OK if document["healthy"] else exits.FAILED
    now = time.monotonic()
    say(lines(document))
    tasks = document["tasks"]
    live = [*tasks["running"], *tasks["waiting"]]
    if live:
        say(["", *table(LIVE, live_rows(live[:20], now), "rllrlr")])
    failed = [task for task in tasks["ended"] if task["outcome"] not in ("succeeded", "cancelled")][-FAILED_SHOWN:]
    if failed:
        say(["", "failed lately:", *table(ENDED, ended_rows(failed, now), "rllrrr")])
    return exits.OK if document["healthy"] else exits.FAILED
