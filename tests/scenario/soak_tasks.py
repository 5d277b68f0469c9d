"""What the soak's tasks do: mostly nothing, now and then something bad."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pvsched

REGISTRY = pvsched.Registry()
task = REGISTRY.task


@task("echo", timeout=30)
def echo(data: Any, context: pvsched.Context) -> Any:
    """Give back what came."""
    return data


@task("large", timeout=30)
def large(data: Any, context: pvsched.Context) -> Any:
    """A result that is larger than the buffers that were sized at opening."""
    return "x" * 100_000


@task("raise", timeout=30)
def fail(data: Any, context: pvsched.Context) -> Any:
    """Raise."""
    raise ValueError("as asked")


@task("nap", timeout=30)
def nap(data: Any, context: pvsched.Context) -> Any:
    """Take a moment."""
    time.sleep(0.002)
    return data


@task("die", timeout=30)
def die(data: Any, context: pvsched.Context) -> Any:
    """Die as one that ran out of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


@task("hang", timeout=0.05)
def hang(data: Any, context: pvsched.Context) -> Any:
    """Never come back."""
    while True:
        time.sleep(60)
