"""A small question every 2 ms while 64 MiB objects are put, or got, without pause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pvsched.bench.contest import Figures, Round, contest
from pvsched.bench.load import MIB, Load
from pvsched.bench.probe import PERIOD, Latencies, probe
from pvsched.bench.rows import Effort, Row, Target, alone
from pvsched.bench.service import Service

TOPIC = "latency"
HERE = "pvsched.bench.latency"
WORKERS = 2
A_SECOND = 1 / PERIOD


def rows(effort: Effort) -> list[Row]:
    seconds = max(1.0, 3.0 * effort.scale)
    names = ("puts", "gets", "idle")
    found = contest({name: (f"{HERE}:{name}", seconds) for name in names}, effort.rounds)
    label = "small GET every 2 ms"
    rows = [
        quantile(found["puts"], "p99", f"{label}, p99, under PUTs", Target(2.0, 1.0, of="value")),
        alone(
            TOPIC,
            f"{label}, answered of 500 a second, under PUTs",
            "/s",
            [one["answered"] for one in found["puts"]],
            Target(499.5, of="value", bound="least"),
        ),
        quantile(found["gets"], "p99", f"{label}, p99, under GETs", Target(1.0, of="value")),
    ]
    for name in names:
        rows += [quantile(found[name], which, f"{label}, {which}, {name}") for which in ("p50", "max")]
    return [*rows, quantile(found["idle"], "p99", f"{label}, p99, idle")]


def quantile(rounds: list[Figures], which: str, name: str, target: Target | None = None) -> Row:
    return alone(TOPIC, name, "ms", [one[which] for one in rounds], target)


def figures(seen: Latencies) -> Figures:
    """Milliseconds, and the answers a second."""
    return {
        "p50": seen.quantile(0.5) * 1e3,
        "p99": seen.quantile(0.99) * 1e3,
        "max": max(seen.took) * 1e3,
        "answered": A_SECOND * len(seen.took) / seen.asked,
    }


@contextmanager
def under(seconds: float, verbs: tuple[str, ...]) -> Iterator[Round]:
    """A round is a probe of so many seconds, with a load that begins before it and ends after it."""
    with Service(WORKERS) as service:

        def round_of() -> Figures:
            if not verbs:
                return figures(probe(service.socket, seconds))
            load = Load(service.socket, service.directory, 64 * MIB, verbs, service.objects())
            try:
                load.start()
                seen = probe(service.socket, seconds)
                load.stop()
            finally:
                load.abort()
            return figures(seen)

        yield round_of


def puts(seconds: float) -> Any:
    return under(seconds, ("put",))


def gets(seconds: float) -> Any:
    return under(seconds, ("get",))


def idle(seconds: float) -> Any:
    return under(seconds, ())
