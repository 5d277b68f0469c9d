"""A million waiting tasks: what one costs to submit, to drain, and in memory; in the library and in C alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
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


def apart(measure: Callable[[int], dict[str, float]], count: float) -> dict[str, float]:
    """Measures in a child of its own: memory that an earlier round gave back would be taken again and count as none."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.write(writer, json.dumps(measure(int(count))).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    if not text:
        raise RuntimeError("the measuring child has failed; its reason is above")
    found: dict[str, float] = json.loads(text)
    return found


@contextmanager
def library(count: float) -> Iterator[Round]:
    yield lambda: apart(library_round, count)


@contextmanager
def core(count: float) -> Iterator[Round]:
    yield lambda: apart(core_round, count)


def library_round(count: int) -> dict[str, float]:
    """Microseconds to submit and to drain a task, and bytes of memory that it holds while it waits."""
    from pvsched import Registry, Scheduler, Task

    registry = Registry()
    registry.register("bench", "pvsched.bench.work:noop")
    before = rss(os.getpid())
    with Scheduler(workers=0, capacity=count, registry=registry, inline_budget=1000) as made:
        began = time.perf_counter()
        for _ in range(count):
            made.add_task(Task("bench"))
        submitted = time.perf_counter()
        held = rss(os.getpid()) - before
        while made.pending:
            made.run()
        drained = time.perf_counter()
    submit, drain = (submitted - began) / count * 1e6, (drained - submitted) / count * 1e6
    return {"submit": submit, "drain": drain, "bytes": held / count}


def core_round(count: int) -> dict[str, float]:
    """The same through the C interface alone, without drain."""
    from pvsched._core import ffi, lib

    before = rss(os.getpid())
    settings = ffi.new("struct pvs_settings *", {"capacity": count, "lanes": 1})
    held = ffi.new("pvs_core **")
    assert lib.pvs_open(held, settings) == 0
    spec = ffi.new("struct pvs_spec *", {"kind": lib.PVS_INLINE, "priority": 5})
    submit, now, made, payload, none = lib.pvs_submit, lib.pvs_now(), held[0], b"{}", ffi.NULL
    began = time.perf_counter()
    for _ in range(count):
        submit(made, spec, now, payload, 2, none, 0)
    took = time.perf_counter() - began
    weight = rss(os.getpid()) - before
    stats = ffi.new("struct pvs_stats *")
    lib.pvs_get_stats(made, stats)
    assert stats.waiting == count, stats.waiting
    lib.pvs_close(made, 0)
    return {"submit": took / count * 1e6, "bytes": weight / count}
