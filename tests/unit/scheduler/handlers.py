"""Handlers that workers import: each does one thing that a task may do, good or bad."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pvsched

REGISTRY = pvsched.Registry()
task = REGISTRY.task


@task("add")
def add(data: Any, context: pvsched.Context) -> Any:
    return {"sum": data["a"] + data["b"]}


@task("echo")
def echo(data: Any, context: pvsched.Context) -> Any:
    return data


@task("about")
def about(data: Any, context: pvsched.Context) -> Any:
    return {"id": context.id, "deadline": context.deadline, "pid": os.getpid(), "cancelled": context.cancelled()}


@task("raise")
def raise_(data: Any, context: pvsched.Context) -> Any:
    raise RuntimeError(data)


@task("exit")
def exit_(data: Any, context: pvsched.Context) -> Any:
    os._exit(data)


@task("sys-exit")
def sys_exit(data: Any, context: pvsched.Context) -> Any:
    sys.exit(data)


@task("kill-self")
def kill_self(data: Any, context: pvsched.Context) -> Any:
    os.kill(os.getpid(), data)
    time.sleep(60)


@task("stop-self")
def stop_self(data: Any, context: pvsched.Context) -> Any:
    os.kill(os.getpid(), signal.SIGSTOP)


@task("unsayable")
def unsayable(data: Any, context: pvsched.Context) -> Any:
    return {"set": {1, 2}} if data == "set" else float(data)


@task("sleep")
def sleep(data: Any, context: pvsched.Context) -> Any:
    time.sleep(data)
    return "slept"


@task("touch-and-sleep")
def touch_and_sleep(data: Any, context: pvsched.Context) -> Any:
    with open(data["path"], "w") as file:
        file.write(str(os.getpid()))
    time.sleep(data.get("seconds", 60))
    return "slept"


@task("polite")
def polite(data: Any, context: pvsched.Context) -> Any:
    """Say that it runs, then wait to be cancelled, and return."""
    if data:
        open(data, "w").close()
    while not context.cancelled():
        time.sleep(0.005)
    return "stopped"


@task("stubborn")
def stubborn(data: Any, context: pvsched.Context) -> Any:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(data, "w").close()
    time.sleep(60)


@task("large")
def large(data: Any, context: pvsched.Context) -> Any:
    return "x" * data


@task("read-fds")
def read_fds(data: Any, context: pvsched.Context) -> Any:
    return {name: os.read(fd, 100).decode() for name, fd in sorted(context.fds.items())}


@task("write-fd")
def write_fd(data: Any, context: pvsched.Context) -> Any:
    os.write(context.fds["out"], data.encode())
    return sorted(context.fds)


@task("open-fds")
def open_fds(data: Any, context: pvsched.Context) -> Any:
    fds = []
    for name in os.listdir("/proc/self/fd"):
        try:
            fds.append((int(name), os.readlink(f"/proc/self/fd/{name}")))
        except OSError:
            pass
    return sorted(fds)


@task("tell")
def tell(data: Any, context: pvsched.Context) -> Any:
    context.progress(0.5, "half")
    context.log("info", "a line")
    context.progress(1.0)
    return "told"


@task("garbage")
def garbage(data: Any, context: pvsched.Context) -> Any:
    """Write bytes that are no frame into the channel, which is the only socket here."""
    _channel().sendall(b"\xff" * 100)
    time.sleep(60)


@task("close-channel")
def close_channel(data: Any, context: pvsched.Context) -> Any:
    _channel().shutdown(socket.SHUT_RDWR)
    time.sleep(60)


@task("flood")
def flood(data: Any, context: pvsched.Context) -> Any:
    channel = _channel()
    while True:
        channel.sendall(b"\0" * 65536)


def _channel() -> socket.socket:
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:") and int(name) > 2:
                return socket.socket(fileno=os.dup(int(name)))
        except OSError:
            pass
    raise LookupError("no channel")


_FAMILY = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""


@task("family")
def family(data: Any, context: pvsched.Context) -> Any:
    """Leave a grandchild in a session of its own; its pid is in data["path"]. Return or sleep."""
    subprocess.run([sys.executable, "-c", _FAMILY, data["path"]], check=True)
    while not os.path.exists(data["path"]) or not os.path.getsize(data["path"]):
        time.sleep(0.005)
    if data.get("sleep"):
        time.sleep(60)
    return "left"


_GENERATIONS = """
import os, sys, time
path = sys.argv[1]
if os.fork(): os._exit(0)
os.setsid()
parent = os.getpid()
if os.fork() == 0:
    open(path + ".new", "w").write(f"{parent} {os.getpid()}")
    os.rename(path + ".new", path)
    time.sleep(60)
while not os.path.exists(path + ".go"): time.sleep(0.005)
"""


@task("generations")
def generations(data: Any, context: pvsched.Context) -> Any:
    """Leave a process and its child, in a session of their own; the parent leaves when data["path"].go is there."""
    subprocess.run([sys.executable, "-c", _GENERATIONS, data["path"]], check=True)
    while not os.path.exists(data["path"]):
        time.sleep(0.005)


@task("limits")
def limits(data: Any, context: pvsched.Context) -> Any:
    import resource

    return {
        "nice": os.nice(0),
        "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
        "cpu": resource.getrlimit(resource.RLIMIT_CPU)[0],
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }


@task("signals")
def signals(data: Any, context: pvsched.Context) -> Any:
    return {"int": str(signal.getsignal(signal.SIGINT)), "mask": len(signal.pthread_sigmask(signal.SIG_BLOCK, ()))}


REGISTRY.register("missing-module", "tests.unit.scheduler.no_such_module:nothing")
REGISTRY.register("missing-name", "tests.unit.scheduler.handlers:no_such_function")
REGISTRY.register("true", argv=["true"])

PROGRAM = [sys.executable, "-I", "-c"]

RESULT_PROGRAM = [
    *PROGRAM,
    "import os,sys,json; d=json.load(sys.stdin); "
    "os.write(int(os.environ['PVSCHED_RESULT_FD']), json.dumps({'got': d, 'cwd': os.getcwd()}).encode())",
]

__all__ = ["REGISTRY", "json"]
