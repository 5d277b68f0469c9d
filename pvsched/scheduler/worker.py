"""A worker's life: take a job, run its handler, answer. Imports only what this needs; each worker pays for it."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found, unused-ignore]  # `signal` brings enum: half a megabyte
import errno
import os
import sys

from pvsched._core import ffi, lib
from pvsched.scheduler.codec import DECODE_ERRORS, ENCODE_ERRORS, decode, encode
from pvsched.scheduler.context import CancelFlag, Context
from pvsched.scheduler.registry import find_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pvsched.scheduler.registry import Handler, Registry

_NOTE_BYTES = 60_000  # the core refuses a progress or log frame above 64 KiB


class UnknownHandler(Exception):
    """The handler cannot be found or imported in this process."""


def complaint(error: BaseException, reason: str = "raised") -> dict[str, str]:
    """Return what the document says of an exception: reason, message, detail (the traceback's text)."""
    import traceback

    text = str(error)
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return {"reason": reason, "message": message, "detail": "".join(traceback.format_exception(error))}


def explain_failure(error: BaseException) -> dict[str, str]:
    """Return the complaint for whatever finding or running a handler has raised."""
    if isinstance(error, UnknownHandler):
        told = complaint(error.__cause__ or error, "unknown-handler")
        told["message"] = str(error)
        return told
    return complaint(error)


class Worker:
    """One process that takes tasks over `pvs_worker *`; `registry` is None in one that knows none by heart."""

    def __init__(self, handle: Any, registry: Registry | None) -> None:
        self._handle = handle
        self._registry = registry
        self._handlers: dict[bytes, Handler] = {}
        self._flag = CancelFlag()

    def run(self) -> None:
        """Take tasks until there are no more. Never raises."""
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as in every Python: a closed pipe raises BrokenPipeError
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is the supervisor's to handle
        job = ffi.new("struct pvs_job *")
        following, handle, interrupted = lib.pvs_worker_next, self._handle, -errno.EINTR
        while True:
            status = following(handle, job)
            if status == 1:
                self._run_job(job)
            elif status == -errno.ECANCELED:
                self._answer(lib.PVS_REPLY_RAISED, _limits_failed())
            elif status != interrupted:
                return

    def _on_term(self, number: int, frame: object) -> None:
        self._flag.raised = True

    def _run_job(self, job: Any) -> None:
        reference, names, text = ffi.buffer(job.payload, job.length)[:].split(b"\0", 2)
        self._flag.raised = False
        fds = dict(zip(names.decode().split(","), job.fds[0 : job.nfds])) if names else {}
        context = Context(job.id, job.deadline_ns, fds, self._flag, self._say)
        try:
            handler = self._handlers.get(reference) or self._find(reference)
            result = handler(decode(text), context)
        except BaseException as error:  # SystemExit too: one task's end is not the worker's
            self._answer(lib.PVS_REPLY_RAISED, explain_failure(error))
            return
        try:
            body = encode(result)
        except ENCODE_ERRORS as error:
            self._answer(lib.PVS_REPLY_RAISED, complaint(error, "bad-json"))
            return
        if lib.pvs_worker_send(self._handle, 1, body, len(body)) < 0:
            leave(0)  # nobody is left to hear it

    def _find(self, reference: bytes) -> Handler:
        name = reference.decode()
        try:
            if name.startswith("#"):
                entry = self._registry.get(name[1:]) if self._registry is not None else None
                if entry is None:
                    raise LookupError(f"{name[1:]} was not registered when this worker's keeper was made")
                handler = entry.resolve()
            else:
                handler = find_handler(name)
        except BaseException as error:
            raise UnknownHandler(f"the handler {name} cannot be loaded: {error}") from error
        self._handlers[reference] = handler
        return handler

    def _say(self, task: int, kind: str, value: object) -> None:
        body = encode(value)
        if len(body) > _NOTE_BYTES:
            raise ValueError(f"a {kind} message may have {_NOTE_BYTES} bytes, not {len(body)}")
        number = lib.PVS_REPLY_PROGRESS if kind == "progress" else lib.PVS_REPLY_LOG
        if lib.pvs_worker_send(self._handle, number, body, len(body)) < 0:
            leave(0)

    def _answer(self, kind: int, value: dict[str, str]) -> None:
        body = encode(value)
        if lib.pvs_worker_send(self._handle, kind, body, len(body)) < 0:
            leave(0)


def _limits_failed() -> dict[str, str]:
    message = "the task's limits could not be set in its worker"
    return {"reason": "spawn-failed", "message": message, "detail": "see limits= of the task, and the daemon's rights"}


def leave(code: int) -> None:
    """End this process as a forked child must: what was printed is flushed, nothing of the parent's is run."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    os._exit(code)


def live(handle: Any, registry: Registry | None) -> None:
    """Be a worker until there is no more to do, then end the process. Does not return."""
    code = 111
    try:
        Worker(handle, registry).run()
        code = 0
    finally:
        leave(code)


__all__ = ["DECODE_ERRORS", "Worker", "complaint", "explain_failure", "leave", "live"]
