"""Process ids that are used again (reliability, row A5): no signal of ours ever hits a stranger.

A namespace with room for some 300 pids, in which strangers come and go and tasks are started, killed and cancelled: so
each pid is used again and again. The amount of forked tasks is PVSCHED_PID_REUSE; CI's slower set takes 10,000.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MANY = int(os.environ.get("PVSCHED_PID_REUSE", "10000"))
PID_MAX = Path("/proc/sys/kernel/pid_max")

PROGRAM = """
import os, random, subprocess, sys, time
import pvsched
from tests.unit.scheduler.handlers import REGISTRY

count, seed = int(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)
strangers, hit, pids, ended = [], 0, [], 0

def callback(document):
    global ended
    ended += 1
    pids.append(document["worker"])

with pvsched.Scheduler(workers=4, executor="fork", registry=REGISTRY) as scheduler:
    for number in range(count):
        kind = rng.random()
        if kind < 0.7:
            id = scheduler.add_task(pvsched.Task("echo"), callback)
        elif kind < 0.85:
            id = scheduler.add_task(pvsched.Task("sleep", 60, timeout=0.002), callback)
        else:
            id = scheduler.add_task(pvsched.Task("sleep", 60, timeout=5, grace=0.001), callback)
            scheduler.run()
            scheduler.cancel(id)
        if rng.random() < 0.2:
            strangers.append(subprocess.Popen(["sleep", "60"]))
        if len(strangers) > 20:
            stranger = strangers.pop(rng.randrange(len(strangers)))
            hit += stranger.poll() is not None
            stranger.terminate()
            stranger.wait()
        while scheduler.pending > 20:
            scheduler.run(wait=1.0)
    while scheduler.pending:
        scheduler.run(wait=1.0)
for stranger in strangers:
    hit += stranger.poll() is not None
    stranger.terminate()
    stranger.wait()
reused = len(pids) - len(set(pids))
print(ended, hit, reused)
"""


SMALL = ["unshare", "-pf", "--mount-proc", "sh", "-c"]
FEW = "echo 400 >/proc/sys/kernel/pid_max"


def need_small_namespaces() -> None:
    """Skip where a namespace cannot have few pids of its own."""
    before = PID_MAX.read_text()
    done = subprocess.run([*SMALL, FEW], capture_output=True, text=True)
    if PID_MAX.read_text() != before:  # older kernels have one pid_max for all namespaces
        PID_MAX.write_text(before)
        pytest.skip("lacks namespaces: pid_max is not one of them before Linux 6.14")
    if done.returncode != 0:
        pytest.skip(f"lacks namespaces: {done.stderr.strip()}")


def run_in_small_namespace(count: int, seed: int) -> list[int]:
    """Run the program where pids are few; return how many tasks ended, strangers were hit, pids were used again."""
    need_small_namespaces()
    command = [*SMALL, f'{FEW} && "$0" -c "$@"; exit $?', sys.executable, PROGRAM, str(count), str(seed)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def check(count: int, seed: int) -> None:
    ended, hit, reused = run_in_small_namespace(count, seed)
    again = f"PVSCHED_PID_REUSE={count} with seed {seed}"
    assert ended == count, again
    assert hit == 0, f"a stranger was killed: {again}"
    assert reused > count / 10, "pids were not used again: the test has tested nothing"


@pytest.mark.root
def test_strangers_live_while_pids_are_used_again() -> None:
    """A short run."""
    check(1500, 1)


@pytest.mark.root
@pytest.mark.slow
def test_strangers_live_at_length() -> None:
    """The table's amount."""
    check(MANY, int.from_bytes(os.urandom(4), "big"))
