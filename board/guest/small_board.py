"""Runs in the guest of `board/small-board`: what the daemon weighs while it stores and serves, and how it answers.

    python3 small_board.py DEVICE REPORT --seconds S --sizes KIB,...

The daemon's state is on DEVICE. Two clients put and get objects of each size in turn, so that both workers are at
work; another asks a small question. A thread here reads the memory that is left. REPORT gets it all as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from pvsched.bench.family import field
from pvsched.bench.load import work
from pvsched.bench.probe import Probe
from pvsched.bench.service import Service

STATE = Path("/run/small-board")
KIB = 1024
CLIENTS = 2
PERIOD = 0.02  # seconds between two small questions; 2 ms, as on a real board, is all that an emulated core can do
SAMPLE = 0.1
FIRST = ("daemon", "keeper")


class Memory(threading.Thread):
    """The least that was available since the last `reset`, from a thread that reads it ten times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.least = available()

    def run(self) -> None:
        while True:
            self.least = min(self.least, available())
            time.sleep(SAMPLE)

    def reset(self) -> None:
        """Begin anew."""
        self.least = available()


def available() -> int:
    """Return the bytes that programs could still have without swapping, as the kernel reckons."""
    return KIB * field("/proc/meminfo", "MemAvailable")


def counters() -> dict[str, int]:
    """Return what must not have happened: pages swapped out, processes killed for memory."""
    lines = (line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return {name: int(value) for name, value in lines if name in ("pswpout", "oom_kill")}


def weights(service: Service) -> list[dict[str, object]]:
    """Return the daemon's processes, oldest first: the daemon, its keeper, the workers; with bytes of RSS and PSS."""
    found = []
    for number, pid in enumerate(sorted(service.family(), key=born)):
        name = FIRST[number] if number < len(FIRST) else "worker"
        rollup = f"/proc/{pid}/smaps_rollup"
        found.append({"name": name, "rss": KIB * field(rollup, "Rss"), "pss": KIB * field(rollup, "Pss")})
    return found


def born(pid: int) -> int:
    """Return when a process began, in ticks since the boot."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


class Load:
    """Another process that puts and gets objects until told. A fork: a second interpreter would weigh too much."""

    def __init__(self, service: Service, size: int) -> None:
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            ours.close()
            os.dup2(theirs.fileno(), 0)
            os.dup2(theirs.fileno(), 1)
            try:
                sys.stdout.write(json.dumps(work(service.socket, str(STATE), size, ("put", "get"), service.objects())))
                sys.stdout.flush()
            finally:
                os._exit(0)
        theirs.close()
        self.stream = ours.makefile("r")
        self.socket = ours
        if self.stream.readline() != "ready\n":
            raise SystemExit("small-board: the load could not begin")

    def tell(self) -> None:
        """Tell it to stop after the transfers that run."""
        self.socket.shutdown(socket.SHUT_WR)

    def stop(self) -> dict[str, list[float]]:
        """Wait for its end; return the seconds of each put and get."""
        text = self.stream.read()
        os.waitpid(self.pid, 0)
        took: dict[str, list[float]] = json.loads(text)
        return took


def busy(service: Service, memory: Memory, size: int, seconds: float) -> dict[str, object]:
    """Return figures of some seconds of one size: bytes a second, and how long the small question took meanwhile."""
    memory.reset()
    loads = [Load(service, size) for _ in range(CLIENTS)]
    probe = Probe(service.socket, PERIOD)
    probe.burst(seconds, time.perf_counter())
    heavy = weights(service)
    took: dict[str, list[float]] = {"put": [], "get": []}
    for load in loads:
        load.tell()
    for load in loads:
        for verb, seconds_each in load.stop().items():
            took[verb] += seconds_each
    seen = probe.seen()
    probe.close()
    return {
        "size": size,
        "puts": len(took["put"]),
        "gets": len(took["get"]),
        "put_rate": CLIENTS * size * len(took["put"]) / sum(took["put"]) if took["put"] else 0,
        "get_rate": CLIENTS * size * len(took["get"]) / sum(took["get"]) if took["get"] else 0,
        "asked": len(seen.took),
        "p50": seen.quantile(0.5),
        "p99": seen.quantile(0.99),
        "available": memory.least,
        "processes": heavy,
    }


def main() -> None:
    """Take the arguments, measure, write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("report", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--sizes", required=True)
    chosen = parser.parse_args()
    STATE.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "ext4", "-o", "noatime", chosen.device, str(STATE)], check=True, timeout=60)
    os.environ["PVSCHED_OBJECTS_LANE_LIMIT"] = str(CLIENTS)  # transfers may take both workers
    memory = Memory()
    memory.start()
    before, bare = counters(), available()
    with Service(2, str(STATE)) as service:
        time.sleep(1.0)
        print(f"small-board: the daemon answered after {service.started:.1f} s", flush=True)
        idle, rested = weights(service), available()
        runs = []
        for size in chosen.sizes.split(","):
            print(f"small-board: objects of {size} KiB", flush=True)
            runs.append(busy(service, memory, int(size) * KIB, chosen.seconds))
    after = counters()
    chosen.report.write_text(
        json.dumps(
            {
                "machine": os.uname().machine,
                "kernel": os.uname().release,
                "cores": os.cpu_count(),
                "total": KIB * field("/proc/meminfo", "MemTotal"),
                "swap": KIB * field("/proc/meminfo", "SwapTotal"),
                "before": bare,
                "idle": rested,
                "started": service.started,
                "processes": idle,
                "runs": runs,
                "events": {name: after[name] - before[name] for name in before},
            }
        )
    )


if __name__ == "__main__":
    main()
