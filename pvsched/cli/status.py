"""`pvsched status`: is it well, what is it doing, what waits and why, what failed lately."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pvsched.cli import exits
from pvsched.cli.arguments import options, parser
from pvsched.cli.client import Client, accepted, client
from pvsched.cli.metrics import Metrics
from pvsched.cli.output import print_json, say, size, span, table
from pvsched.cli.tasks import ENDED, LIVE, ended_rows, live_rows

FAILED_SHOWN = 5
Document = dict[str, Any]


def gather(talk: Client) -> Document:
    """Everything that `status` and `top` show, from three small requests."""
    health = talk.ask("GET", "/healthz")
    document: Document = {
        "health": health.json() if health.status in (200, 503) else {},
        "healthy": health.status == 200,
    }
    document["tasks"] = talk.get("/tasks")
    metrics = Metrics(accepted(talk.ask("GET", "/metrics")).read().decode())
    document["metrics"] = {name: plain(samples) for name, samples in metrics.samples.items()}
    document["socket"] = talk.path
    document["objects"] = objects(talk.get("/objects"))
    return document


def plain(samples: Mapping[tuple[tuple[str, str], ...], float]) -> object:
    """One unlabelled sample as its number, labelled ones by the text of their labels."""
    if list(samples) == [()]:
        return samples[()]
    return {",".join(f"{name}={value}" for name, value in labels): number for labels, number in samples.items()}


def objects(listing: list[Document]) -> Document:
    return {"count": len(listing), "bytes": sum(int(item["size"]) for item in listing)}


def metric(document: Document, name: str) -> float | None:
    """Sum of a metric over its labels."""
    found = document["metrics"].get(name)
    if isinstance(found, dict):
        return sum(found.values())
    return found if isinstance(found, float) else None


def outcomes(document: Document) -> str:
    found = document["metrics"].get("pvsched_tasks_ended_total") or {}
    if not isinstance(found, dict):
        return "none ended yet"
    sums: dict[str, float] = {}
    for labels, number in found.items():
        word = dict(pair.split("=", 1) for pair in labels.split(",")).get("outcome", "")
        sums[word] = sums.get(word, 0) + number
    return ", ".join(f"{number:.0f} {word}" for word, number in sums.items() if number) or "none ended yet"


def lines(document: Document, now: float) -> list[str]:
    """The summary: a name and a value a line."""
    tasks = document["tasks"]
    waits = [now - task["queued_at"] for task in tasks["waiting"] if task.get("queued_at") is not None]
    oldest = f", longest for {span(max(waits))}" if waits else ""
    health = document["health"] if isinstance(document["health"], dict) else {}
    said = [f", {name} {value}" for name, value in health.items() if isinstance(value, (str, int, float))]
    well = "well" if document["healthy"] else "NOT WELL"
    rows = [
        ("daemon", f"{well}, at {document['socket']}" + "".join(said)),
        ("tasks", f"{len(tasks['running'])} running, {len(tasks['waiting'])} waiting{oldest}"),
        ("ended", outcomes(document)),
        ("objects", f"{document['objects']['count']}, {size(document['objects']['bytes'])}"),
    ]
    return table(("", ""), rows)


def main(arguments: list[str]) -> int:
    chosen = options(parser("status", "What the daemon is doing, in a few lines."), arguments)
    with client(chosen.socket) as talk:
        document = gather(talk)
    if chosen.json:
        print_json(document)
        return exits.OK if document["healthy"] else exits.FAILED
    now = time.monotonic()
    say(lines(document, now))
    tasks = document["tasks"]
    live = [*tasks["running"], *tasks["waiting"]]
    if live:
        say(["", *table(LIVE, live_rows(live[:20], now), "rllrlr")])
    failed = [task for task in tasks["ended"] if task["outcome"] not in ("succeeded", "cancelled")][-FAILED_SHOWN:]
    if failed:
        say(["", "failed lately:", *table(ENDED, ended_rows(failed, now), "rllrrr")])
    return exits.OK if document["healthy"] else exits.FAILED
