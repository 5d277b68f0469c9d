"""A million waiting tasks: what one costs to submit, to drain, and in memory; in the library and in C alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pvsched.bench.contest import Round, contest
from pvsched.bench.family import rss
from pvsched.bench.rows import Effort, Row, Target, alone

TOPIC = "million"
HERE = "pvsched.bench.million"


def rows(effort: Effort) -> list[Row]:
    count = effort.count(1_000_000)
    rounds = max(1, min(3, effort.rounds))
    found = contest({"library": (f"{HERE}:library", count), "core": (f"{HERE}:core", count)}, rounds)
    library, core_alone = found["library"], found["core"]
    name = f"{count:,} queued tasks"
    return [
        alone(TOPIC, f"{name}, submit", "us", [figures["submit"] for figures in library], note="library, a task"),
        alone(TOPIC, f"{name}, drain", "us", [figures["drain"] for figures in library], note="library, inline, a task"),
        alone(TOPIC, f"{name}, memory", "B", [figures["bytes"] for figures in library], note="library, a task"),
        alone(TOPIC, f"{name}, submit in C", "us", [figures["submit"] for figures in core_alone]),
        alone(
            TOPIC,
            f"{name}, memory in C",
            "B",
            [figures["bytes"] for figures in core_alone],
            Target(200, of="value"),
            note="a task with a payload of 2 bytes",
        ),
    ]


@contextmanager
def library(count: float) -> Iterator[Round]:
    from pvsched import Registry, Scheduler, Task

    registry = Registry()
    registry.register("bench", "pvsched.bench.work:noop")

    def round_of() -> dict[str, float]:
        before = rss(os.getpid())
        with Scheduler(workers=0, capacity=int(count), registry=registry, inline_budget=1000) as made:
            began = time.perf_counter()
            for _ in range(int(count)):
                made.add_task(Task("bench"))
            submitted = time.perf_counter()
            held = rss(os.getpid()) - before
            while made.pending:
                made.run()
            drained = time.perf_counter()
        return {
            "submit": (submitted - began) / count * 1e6,
            "drain": (drained - submitted) / count * 1e6,
            "bytes": held / count,
        }

    yield round_of


@contextmanager
def core(count: float) -> Iterator[Round]:
    from pvsched._core import ffi, lib

    def round_of() -> dict[str, float]:
        before = rss(os.getpid())
        settings = ffi.new("struct pvs_settings *", {"capacity": int(count), "lanes": 1})
        held = ffi.new("pvs_core **")
        assert lib.pvs_open(held, settings) == 0
        spec = ffi.new("struct pvs_spec *", {"kind": lib.PVS_INLINE, "priority": 5})
        submit, now, made, payload, none = lib.pvs_submit, lib.pvs_now(), held[0], b"{}", ffi.NULL
        began = time.perf_counter()
        for _ in range(int(count)):
            submit(made, spec, now, payload, 2, none, 0)
        took = time.perf_counter() - began
        weight = rss(os.getpid()) - before
        stats = ffi.new("struct pvs_stats *")
        lib.pvs_get_stats(made, stats)
        assert stats.waiting == int(count), stats.waiting
        lib.pvs_close(made, 0)
        return {"submit": took / count * 1e6, "bytes": weight / count}

    yield round_of
