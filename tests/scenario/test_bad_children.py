"""Bad children, many of each (reliability, rows A4 and A6): whatever they do, each task ends once and nothing survives.

The amount is PVSCHED_BAD_CHILDREN, of each kind; CI's slower set takes 100.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pvsched
from tests.unit.scheduler.handlers import PROGRAM, REGISTRY

MANY = int(os.environ.get("PVSCHED_BAD_CHILDREN", "100"))
NEVER_READS = [*PROGRAM, "import time; time.sleep(60)"]
WRITES_FOR_EVER = [*PROGRAM, "import sys\nwhile True: sys.stdout.write('x' * 65536)"]

# what it does: the task, and how it may end
KINDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "double fork and setsid": ({"name": "family", "data": {"sleep": True}}, {"timed_out"}),
    "leaves a grandchild": ({"name": "family", "data": {}}, {"succeeded", "timed_out"}),
    "ignores SIGTERM": ({"name": "stubborn", "on_timeout": "graceful", "grace": 0.1}, {"timed_out"}),
    "stops itself": ({"name": "stop-self"}, {"timed_out"}),
    "closes its channel": ({"name": "close-channel"}, {"failed", "timed_out"}),
    "writes for ever": ({"name": "flood"}, {"failed", "timed_out"}),
    "writes garbage": ({"name": "garbage"}, {"failed", "timed_out"}),
    "never reads": ({"name": "prog", "data": "x" * 300_000, "argv": NEVER_READS}, {"timed_out"}),
    "prints for ever": ({"name": "prog", "argv": WRITES_FOR_EVER}, {"timed_out"}),
}


def make(kind: str, number: int, directory: Path, timeout: float) -> pvsched.Task:
    options = dict(KINDS[kind][0])
    path = str(directory / f"{kind}-{number}")
    if options["name"] == "family":
        options["data"] = {**options["data"], "path": path}
    elif options["name"] == "stubborn":
        options["data"] = path
    executor = "exec" if "argv" in options else ("fork", "pool")[number % 2]
    return pvsched.Task(**options, timeout=timeout, executor=executor)


def run_all(kinds: list[str], count: int, directory: Path) -> Counter[tuple[str, str]]:
    """Run so many of each kind, mixed, among good tasks; return how they ended."""
    ended: Counter[tuple[str, str]] = Counter()
    with pvsched.Scheduler(workers=8, registry=REGISTRY, capacity=10_000, payload_bytes=1 << 28) as scheduler:
        for number in range(count):
            for kind in kinds:
                task = make(kind, number, directory, 2.0 if "fork" in kind or "grandchild" in kind else 0.3)

                def callback(document: dict[str, Any], kind: str = kind) -> None:
                    ended[kind, document["outcome"]] += 1

                scheduler.add_task(task, callback)
            scheduler.add_task(
                pvsched.Task("echo", number), lambda document: ended.update([("good", document["outcome"])])
            )
        while scheduler.pending:
            scheduler.run(wait=1.0)
    return ended


def check(ended: Counter[tuple[str, str]], kinds: list[str], count: int) -> None:
    for kind in kinds:
        outcomes = {outcome: number for (of, outcome), number in ended.items() if of == kind}
        assert sum(outcomes.values()) == count, (kind, outcomes)
        assert set(outcomes) <= KINDS[kind][1], (kind, outcomes)
    assert ended["good", "succeeded"] == count


def test_each_bad_child_ends_and_leaves_nothing(tmp_path: Path) -> None:
    """Two of each, as fork and as pool; the leak check sees to the descendants."""
    kinds = list(KINDS)
    check(run_all(kinds, 2, tmp_path), kinds, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_many_bad_children_of_each_kind(tmp_path: Path, kind: str) -> None:
    """A hundred of each, eight at once: none lost, none doubled, none alive afterwards."""
    check(run_all([kind], MANY, tmp_path), [kind], MANY)


@pytest.mark.slow
def test_exec_errors_a_thousand_times(tmp_path: Path) -> None:
    """ENOENT, EACCES, ENOEXEC, E2BIG, ETXTBSY, in turn: the exact errno each time."""
    wrong = {2: tmp_path / "absent", 13: tmp_path / "no-right", 8: tmp_path / "no-format", 26: tmp_path / "busy"}
    wrong[13].write_bytes(b"#!/bin/sh\n")
    wrong[8].write_bytes(b"\x7fno program")
    wrong[26].write_bytes(Path("/bin/true").read_bytes())
    for number in (8, 26):
        wrong[number].chmod(0o755)
    argvs = {number: [str(path)] for number, path in wrong.items()} | {7: ["/bin/true", "x" * 200_000]}
    found: Counter[tuple[int, Any]] = Counter()
    with pvsched.Scheduler(workers=4, registry=REGISTRY, payload_bytes=1 << 28) as scheduler, open(wrong[26], "ab"):
        for turn in range(10 * MANY // len(argvs)):
            for number, argv in argvs.items():

                def callback(document: dict[str, Any], number: int = number) -> None:
                    found[number, document.get("error", {}).get("errno")] += 1

                scheduler.add_task(pvsched.Task("prog", turn, argv=argv), callback)
            while scheduler.pending > 500:
                scheduler.run(wait=1.0)
        while scheduler.pending:
            scheduler.run(wait=1.0)
    assert found == {(number, number): 10 * MANY // len(argvs) for number in argvs}
