"""A small question every 2 ms while 64 MiB objects are put, or got, without pause."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pvsched.bench.contest import Figures, Round, contest
from pvsched.bench.load import MIB, Load
from pvsched.bench.orphans import end_with_parent
from pvsched.bench.probe import PERIOD, Latencies, alternate
from pvsched.bench.rows import Effort, Row, Target, against, alone
from pvsched.bench.service import Service

TOPIC = "latency"
HERE = "pvsched.bench.latency"
WORKERS = 2
A_SECOND = 1 / PERIOD
ECHO = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


def rows(effort: Effort) -> list[Row]:
    seconds = max(1.0, 3.0 * effort.scale)
    names = ("puts", "gets", "idle")
    found = contest({name: (f"{HERE}:{name}", seconds) for name in names}, effort.rounds)
    label = "small GET every 2 ms"
    answered = [one["answered"] for one in found["puts"]]
    all_of_them = Target(499.5, of="value", bound="least")
    rows = [
        quantile(found["puts"], "p99", f"{label}, p99, under PUTs", Target(2.0, 1.0, of="value")),
        alone(TOPIC, f"{label}, answered of 500 a second, under PUTs", "/s", answered, all_of_them),
        quantile(found["gets"], "p99", f"{label}, p99, under GETs", Target(1.0, of="value")),
    ]
    for name in names:
        rows += [quantile(found[name], which, f"{label}, {which}, {name}") for which in ("p50", "max")]
    return [*rows, quantile(found["idle"], "p99", f"{label}, p99, idle")]


def quantile(rounds: list[Figures], which: str, name: str, target: Target | None = None) -> Row:
    """Ours, beside a process that only echoes, asked in the same way under the same load: what the machine adds."""
    ours, theirs = ([one[key] for one in rounds] for key in (which, f"echo {which}"))
    return against(TOPIC, name, "ms", ours, "bare echo", theirs, target)


def figures(seen: Latencies) -> Figures:
    """Milliseconds, and the answers a second."""
    return {
        "p50": seen.quantile(0.5) * 1e3,
        "p99": seen.quantile(0.99) * 1e3,
        "max": max(seen.took) * 1e3,
        "answered": A_SECOND * len(seen.took) / seen.asked,
    }


def measured(service: Service, echo: str, seconds: float) -> Figures:
    """The daemon and the echo, a tenth of a second each in turn."""
    ours, theirs = (figures(seen) for seen in alternate((service.socket, echo), seconds))
    return {**ours, **{f"echo {name}": value for name, value in theirs.items()}}


@contextmanager
def under(seconds: float, verbs: tuple[str, ...]) -> Iterator[Round]:
    """A round is a probe of so many seconds, with a load that begins before it and ends after it."""
    with Service(WORKERS) as service, echoing(os.path.join(service.directory, "echo")) as echo:

        def round_of() -> Figures:
            if not verbs:
                return measured(service, echo, seconds)
            load = Load(service.socket, service.directory, 64 * MIB, verbs, service.objects())
            try:
                load.start()
                seen = measured(service, echo, seconds)
                load.stop()
            finally:
                load.abort()
            return seen

        yield round_of


@contextmanager
def echoing(path: str) -> Iterator[str]:
    """A process that answers every question with the same few bytes, and does nothing else."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        pid = os.fork()
        if pid == 0:
            end_with_parent()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            while True:
                client, _ = listener.accept()
                with client:
                    while client.recv(65536):
                        client.sendall(ECHO)
    try:
        yield path
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def puts(seconds: float) -> Any:
    return under(seconds, ("put",))


def gets(seconds: float) -> Any:
    return under(seconds, ("get",))


def idle(seconds: float) -> Any:
    return under(seconds, ())
