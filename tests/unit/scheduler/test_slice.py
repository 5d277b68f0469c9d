"""Short turns on the processor, for the thread that asks and for nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

import pvsched
from tests.unit.scheduler.slices import NUMBER, own_slice

pytestmark = pytest.mark.skipif(NUMBER is None, reason="the number of sched_getattr is not known for this machine")

ASK = """
from pvsched._core import lib
from tests.unit.scheduler.slices import own_slice
before = own_slice()
assert lib.pvs_short_slice(200_000) == 0
print(before, own_slice())
assert lib.pvs_short_slice(0) == 0
"""


def knows_slices() -> bool:
    """True where the kernel tells a slice at all."""
    return own_slice() > 0


def test_a_thread_gets_the_slice_it_asks_for() -> None:
    """The kernel has taken it, or is too old to know it; nothing else about the thread has changed."""
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after == 200_000 if before else after == 0


def test_a_worker_has_the_default_again(bench: Any) -> None:
    """The keeper asks for short turns, its children compute and get the usual ones."""
    registry = pvsched.Registry()
    registry.register("slice", "tests.unit.scheduler.slices:slice_of_worker")
    scheduler = bench.open(registry=registry)
    for executor in ("pool", "fork"):
        assert bench.one(scheduler, "slice", executor=executor)["data"] == own_slice()
    if knows_slices():
        assert own_slice() > 200_000


def test_a_real_time_thread_is_left_alone() -> None:
    """Who has chosen another policy knows why."""
    if os.geteuid() != 0:
        pytest.skip("needs root: to become a SCHED_FIFO thread")
    try:
        os.sched_getscheduler(0)
    except OSError as problem:
        pytest.skip(f"lacks sched_setscheduler(), which musl refuses: {problem.strerror}")
    code = (
        "import os; from pvsched._core import lib\n"
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\n"
        "print(lib.pvs_short_slice(200_000), os.sched_getscheduler(0) == os.SCHED_FIFO)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["-22", "True"]
