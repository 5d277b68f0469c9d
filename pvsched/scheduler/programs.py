"""A program run inline, with workers=0: a core and a keeper of its own, for as long as it runs.

So its tree is killed, its status is learnt and its descriptors are numbered as with workers; a host that waits for
every child, or ignores SIGCHLD, does not get between.
"""

from __future__ import annotations

import os

from pvsched._core import ffi, lib
from pvsched.scheduler.keeper import fork_from_caller
from pvsched.scheduler.local_task import Answer, LocalTask
from pvsched.scheduler.payload import exec_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pvsched.scheduler.registry import Registry

_EVENTS = 64  # the least that a step takes
_LEAVE_MS = 1000  # what the keeper gets to end what is left


class Program:
    """What a finished program leaves besides its result."""

    __slots__ = ("errno", "exit_kind", "exit_value", "pid", "stderr", "stdout", "truncated")

    def __init__(self, core: Any, end: Any) -> None:
        self.errno: int = end.error
        self.pid: int = end.pid
        self.exit_kind: int = end.exit_kind
        self.exit_value: int = end.exit_value
        self.stdout = _bytes(core, end.out, end.out_len)
        self.stderr = _bytes(core, end.err, end.err_len)
        self.truncated = bool(end.truncated)


def run_program(task: LocalTask, registry: Registry) -> Answer:
    """Run the program of an exec task to its end, in the caller's thread. Raises OSError, SchedulerError."""
    settings = ffi.new("struct pvs_settings *", {"capacity": 1, "lanes": 1, "workers": 1, "max_workers": 1})
    settings.payload_bytes = max(8 << 20, 2 * len(task.payload))
    out = ffi.new("pvs_core **")
    _checked(lib.pvs_open(out, settings))
    core = out[0]
    try:
        fd = fork_from_caller(registry)
        if (index := lib.pvs_attach_keeper(core, fd)) < 0:
            os.close(fd)
            _checked(index)
        events = ffi.new(f"struct pvs_event[{_EVENTS}]")  # it owns what `end` refers to
        end = _run(core, _submit(core, task), events)
        body = _bytes(core, end.body, end.body_len) if end.value else None
        return Answer(end.outcome, end.reason, body, Program(core, end))
    finally:
        lib.pvs_close(core, _LEAVE_MS)


def _submit(core: Any, task: LocalTask) -> int:
    spec = ffi.new("struct pvs_spec *", {"kind": lib.PVS_EXEC, "ionice": -1})
    ours = task.rules.spec
    spec.flags, spec.result_limit, spec.output_limit = ours.flags, ours.result_limit, ours.output_limit
    spec.exec_bytes = exec_bytes(task.payload)
    fds = ffi.new("int[]", task.fds)
    return _checked(lib.pvs_submit(core, spec, lib.pvs_now(), task.payload, len(task.payload), fds, len(task.fds)))


def _run(core: Any, id: int, events: Any) -> Any:
    """Step until it has ended. A signal's handler is run in between, and may raise."""
    while True:
        for number in range(_checked(lib.pvs_step(core, lib.pvs_now(), events, _EVENTS))):
            if events[number].type == lib.PVS_EV_END and events[number].id == id:
                return events[number]
        lib.pvs_wait(core, -1)


def _bytes(core: Any, place: int, length: int) -> bytes:
    inside = place < lib.pvs_bodies_size(core)
    start = lib.pvs_bodies(core) + place if inside else ffi.cast("char *", place)
    return bytes(ffi.buffer(start, length))


def _checked(status: int) -> int:
    if status < 0:
        raise OSError(-status, os.strerror(-status))
    return status
