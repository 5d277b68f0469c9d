"""What an idle scheduler and an idle daemon weigh, and how often they wake."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time

from pvsched.bench.family import marked, pss, rss, wakeups, weighed
from pvsched.bench.orphans import end_with_parent
from pvsched.bench.rows import Effort, Row, Target, against, alone
from pvsched.bench.service import MARK, Service

TOPIC = "memory"
MB = 1e6

# Each in a fresh interpreter that holds nothing else; it says so when its two workers have worked, and waits.
BARE = "import sys\nleave = int"
OURS = """
import sys
from pvsched import Scheduler, Task, register
register("bench", "pvsched.bench.work:noop")
scheduler = Scheduler(workers=2, executor="pool")
leave = scheduler.close
for number in range(16):
    scheduler.add_task(Task("bench", number))
while scheduler.pending:
    scheduler.run(wait=1.0)
"""
FORKED = OURS.replace(
    "\nfrom",
    '\nfrom pvsched.scheduler.keeper import fork_keeper\nkeeper = fork_keeper(["pvsched.bench.work"])\nfrom',
    1,
).replace('"pool")', '"pool", keeper=keeper)')
PEER = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pvsched.bench.work import noop
executor = ProcessPoolExecutor(2, mp_context=get_context("fork"))
leave = executor.shutdown
for future in [executor.submit(noop, number) for number in range(16)]:
    future.result()
"""
READY = "\nsys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.read(); leave()\n"


def rows(effort: Effort) -> list[Row]:
    if not weighed():
        sys.stderr.write("\rmemory: no PSS, because this kernel was built without CONFIG_PROC_PAGE_MONITOR\n")
        return daemon(effort)
    return [*scheduler(effort), *daemon(effort)]


def scheduler(effort: Effort) -> list[Row]:
    ours, forked, peer, bare = [], [], [], []
    for _ in range(effort.rounds):
        ours.append(weigh(OURS))
        forked.append(weigh(FORKED))
        peer.append(weigh(PEER))
        bare.append(weigh(BARE))
    name = "scheduler with 2 idle pool workers, PSS"
    return [
        against(TOPIC, name, "MB", ours, "ProcessPoolExecutor", peer, Target(0.55)),
        against(TOPIC, f"{name}, its keeper forked first", "MB", forked, "ProcessPoolExecutor", peer),
        against(TOPIC, name, "MB", ours, "a bare interpreter", bare),
    ]


def weigh(script: str) -> float:
    """Megabytes of PSS of a script's processes when it has become idle."""
    mark = secrets.token_hex(8)
    process = subprocess.Popen(
        [sys.executable, "-c", script + READY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=end_with_parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), MARK: mark},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the script could not begin; its reason is above")
        return pss(marked(f"{MARK}={mark}")) / MB
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def daemon(effort: Effort) -> list[Row]:
    """A daemon that has answered once and rests."""
    seconds = max(5.0, 30.0 * effort.scale)
    with Service(2) as service:
        time.sleep(1.0)  # what start-up left to do is not idleness
        family = service.family()
        weight, whole = rss(service.pid) / MB, pss(family) / MB
        before = wakeups(family)
        time.sleep(seconds)
        woken = (wakeups(service.family()) - before) * 60 / seconds
    processes = f"{len(family)} processes"
    return [
        alone(TOPIC, "daemon idle, RSS of its own process", "MB", [weight], Target(16.0, of="value")),
        *([alone(TOPIC, "daemon idle, PSS of the family", "MB", [whole], note=processes)] if weighed() else []),
        alone(TOPIC, "daemon idle, wake-ups a minute", "/min", [woken], Target(0.0, of="value"), note=processes),
    ]
