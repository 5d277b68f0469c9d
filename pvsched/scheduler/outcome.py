"""How a task ended, as the document that its callback gets."""

from __future__ import annotations

import os
import struct
import time

from pvsched._core import lib
from pvsched.scheduler.codec import DECODE_ERRORS, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pvsched.scheduler.rules import Rules
    from pvsched.scheduler.task import Document

OUTCOMES = ("succeeded", "failed", "timed_out", "expired", "cancelled")
SUCCEEDED, FAILED, TIMED_OUT, EXPIRED, CANCELLED = range(5)

CAUSES = ("", "caller", "client-left", "replaced", "shutdown")
CAUSE_NUMBERS = {name: number for number, name in enumerate(CAUSES) if name}

RAISED = 1
BAD_FRAME, EXIT_STATUS, WORKER_DIED, SPAWN_FAILED, EXEC_FAILED = 3, 5, 6, 7, 8

# The core's reasons by number, and what is said of them. A frame that is none of ours is garbage instead of JSON.
REASONS = (
    ("", ""),
    ("raised", "the handler raised"),
    ("no-result", "the worker left, or closed its channel, without a result"),
    ("bad-json", "what came back is not a result"),
    ("result-too-large", "the result has more bytes than result_limit allows"),
    ("exit-status", "the process exited with status {exit_value}"),
    ("worker-died", "the process was ended by signal {exit_value}"),
    ("spawn-failed", "no process could be made: {errno}"),
    ("exec-failed", "the program could not be started: {errno}"),
    ("lost-status", "the process is gone and its exit status is not known"),
)

# struct pvs_event, field for field
EVENT = struct.Struct("<9Q14i2I")


class Ending:
    """One `struct pvs_event` with names, for the paths where names matter more than microseconds."""

    __slots__ = (
        "after_ns",
        "body",
        "body_len",
        "cause",
        "ended_ns",
        "err",
        "err_len",
        "error",
        "exit_kind",
        "exit_value",
        "id",
        "kind",
        "missed",
        "out",
        "out_len",
        "outcome",
        "pid",
        "queued_ns",
        "reason",
        "reserved",
        "signal",
        "started_ns",
        "truncated",
        "type",
        "value",
    )

    id: int
    queued_ns: int
    started_ns: int
    ended_ns: int
    body: int
    out: int
    err: int
    after_ns: int
    reserved: int
    type: int
    kind: int
    outcome: int
    reason: int
    cause: int
    error: int
    pid: int
    exit_kind: int
    exit_value: int
    signal: int
    truncated: int
    value: int
    out_len: int
    err_len: int
    body_len: int
    missed: int

    def __init__(self, fields: tuple[int, ...]) -> None:
        (
            self.id,
            self.queued_ns,
            self.started_ns,
            self.ended_ns,
            self.body,
            self.out,
            self.err,
            self.after_ns,
            self.reserved,
            self.type,
            self.kind,
            self.outcome,
            self.reason,
            self.cause,
            self.error,
            self.pid,
            self.exit_kind,
            self.exit_value,
            self.signal,
            self.truncated,
            self.value,
            self.out_len,
            self.err_len,
            self.body_len,
            self.missed,
        ) = fields


class WallTime:
    """ISO 8601 in UTC with milliseconds, made from scratch once a second: it is asked for at every turn."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._text}{int((now - second) * 1000):03d}Z"


def base_document(rules: Rules, end: Ending, now: str) -> Document:
    """Return the fields that every document has, in their settled order."""
    exit_status = None
    if end.exit_kind:
        exit_status = {"code" if end.exit_kind == 1 else "signal": end.exit_value}
    return {
        "type": rules.name,
        "id": end.id,
        "outcome": OUTCOMES[end.outcome],
        "data": None,
        "queued_at": end.queued_ns / 1e9,
        "started_at": end.started_ns / 1e9 if end.started_ns else None,
        "ended_at": end.ended_ns / 1e9,
        "time": now,
        "worker": end.pid or None,
        "exit": exit_status,
    }


def fill_in(document: Document, rules: Rules, end: Ending, body: bytes | None) -> None:
    """Add what this outcome has besides. `body` is the result's or the complaint's text, None if none came."""
    if end.outcome == SUCCEEDED:
        _add_result(document, body)
    elif end.outcome == FAILED:
        document["error"] = _error(end, body)
    elif end.outcome == TIMED_OUT:
        document["after"] = end.after_ns / 1e9
        document["signal"] = end.signal or None
    elif end.outcome == CANCELLED:
        document["by"] = CAUSES[end.cause] or "caller"


def _add_result(document: Document, body: bytes | None) -> None:
    if body is None:
        return
    try:
        document["data"] = decode(body)
    except DECODE_ERRORS as error:
        document["outcome"] = "failed"
        document["error"] = {"reason": "bad-json", "message": f"the result is not JSON: {error}", "detail": None}


def _error(end: Ending, body: bytes | None) -> dict[str, Any]:
    if end.reason == RAISED and body is not None:
        return _complaint(body)
    name, text = REASONS[end.reason]
    if end.reason == WORKER_DIED and end.exit_kind != 2:
        text = "the keeper of its process died"
    name_of_errno = os.strerror(end.error) if end.error else "unknown error"
    error: dict[str, Any] = {
        "reason": name,
        "message": text.format(exit_value=end.exit_value, errno=name_of_errno),
        "detail": None,
    }
    if end.reason in (SPAWN_FAILED, EXEC_FAILED):
        error["errno"] = end.error
    return error


def _complaint(body: bytes) -> dict[str, Any]:
    """Return what a worker said of its failure. It is a process that ran foreign code: nothing is taken on trust."""
    try:
        told = decode(body)
        return {"reason": str(told["reason"]), "message": str(told["message"]), "detail": str(told["detail"])}
    except (*DECODE_ERRORS, TypeError, KeyError):
        return {"reason": "bad-json", "message": "the worker's report of a failure is not JSON", "detail": None}


def add_output(document: Document, out: bytes, err: bytes, truncated: bool) -> None:
    """Add what a program wrote, as text; bytes that are not UTF-8 become U+FFFD."""
    document["output"] = {
        "stdout": out.decode("utf-8", "replace"),
        "stderr": err.decode("utf-8", "replace"),
        "truncated": truncated,
    }


END, START, STARTED, PROGRESS, LOG, WORKER_GONE, KEEPER_GONE = (
    lib.PVS_EV_END,
    lib.PVS_EV_START,
    lib.PVS_EV_STARTED,
    lib.PVS_EV_PROGRESS,
    lib.PVS_EV_LOG,
    lib.PVS_EV_WORKER_DIED,
    lib.PVS_EV_KEEPER_DIED,
)
