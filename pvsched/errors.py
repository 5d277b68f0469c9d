"""Every error of ours: one tree, a stable `code` for programs, a `hint` that names the next thing to do."""

from __future__ import annotations


class PvschedError(Exception):
    """The root. `str(error)` is what failed and why; `code` never changes; `hint` says what to do next."""

    code = "error"
    hint = ""

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if hint is not None:
            self.hint = hint


class SchedulerError(PvschedError):
    """Whatever the scheduler refuses or could not do."""

    code = "scheduler"


class QueueFull(SchedulerError):
    """The bounded queue (or its room for payloads) is full; the task was not taken. `waiting` tasks are before it."""

    code = "queue-full"
    hint = "try again when tasks have ended, or open the scheduler with a larger capacity or payload_bytes"

    def __init__(self, message: str, *, waiting: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.waiting = waiting


class BadTask(SchedulerError, ValueError):
    """A field of the task has a value that it cannot have."""

    code = "bad-task"
    hint = "help(pvsched.Task) tells what each field takes"


class BadSetting(SchedulerError, ValueError):
    """A setting of the scheduler has a value that it cannot have; `code` says which kind of setting."""

    code = "bad-setting"
    hint = "help(pvsched.Scheduler) tells what each setting takes"


class DuplicateKey(SchedulerError):
    """A live task holds the key, and the new one's on_duplicate is `refuse`. `holder` is that task's id."""

    code = "duplicate-key"
    hint = "wait for the holder, or submit with on_duplicate='coalesce' or 'replace'"

    def __init__(self, message: str, *, holder: int = 0) -> None:
        super().__init__(message)
        self.holder = holder


class UnknownName(SchedulerError, LookupError):
    """No handler is registered under the task's name."""

    code = "unknown-name"
    hint = "register it first: @pvsched.task(name), or pvsched.register(name, 'module:function')"


class Closed(SchedulerError):
    """The scheduler was closed, or belongs to the process that this one was forked from."""

    code = "closed"
    hint = "open a new Scheduler"
