"""How long it takes until it is there: the core's import, the library's, the command's, the daemon's."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from pvsched.bench.rows import Effort, Row, Target, against, alone
from pvsched.bench.service import ENTRY, Service

TOPIC = "startup"
IMPORT = (
    "import time, sys; {before}; a = time.perf_counter(); import {name}; sys.stdout.write(str(time.perf_counter() - a))"
)


def rows(effort: Effort) -> list[Row]:
    rounds = effort.rounds
    core = [importing("pvsched._core", "import pvsched, sys") for _ in range(rounds)]
    library = [importing("pvsched.scheduler.scheduler", "pass") for _ in range(rounds)]
    return [
        alone(TOPIC, "import of the core", "ms", core, Target(1.0, of="value")),
        alone(TOPIC, "import of the library", "ms", library),
        *daemon(rounds),
    ]


def importing(name: str, before: str) -> float:
    """Milliseconds of one import in a fresh interpreter."""
    code = IMPORT.format(name=name, before=before)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return 1e3 * float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True).stdout
    )


def command(*arguments: str) -> float:
    """Milliseconds of one command, from exec to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return 1e3 * (time.perf_counter() - began)


def daemon(rounds: int) -> list[Row]:
    started, status, bare = [], [], []
    for _ in range(rounds):
        with Service(2) as service:
            started.append(1e3 * service.started)
            status.append(command("-c", ENTRY, "status", "--socket", service.socket))
            bare.append(command("-I", "-c", "pass"))
    return [
        alone(TOPIC, "daemon, exec to its first answer", "ms", started, Target(120.0, of="value")),
        against(TOPIC, "pvsched status, exec to end", "ms", status, "python -I -c pass", bare),
    ]
