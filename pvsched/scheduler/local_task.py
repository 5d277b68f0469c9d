"""One task that runs in this very process, and what it came to."""

from __future__ import annotations

import os

from pvsched.scheduler.codec import ENCODE_ERRORS, decode, encode
from pvsched.scheduler.context import CancelFlag, Context
from pvsched.scheduler.outcome import FAILED, RAISED, SUCCEEDED
from pvsched.scheduler.worker import UnknownHandler, complaint, explain_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pvsched.scheduler.programs import Program
    from pvsched.scheduler.rules import Rules


class Answer:
    """What a task that ran here came to: the core's words for it, the result's or the complaint's text."""

    __slots__ = ("body", "outcome", "program", "reason")

    def __init__(self, outcome: int, reason: int, body: bytes | None, program: Program | None = None) -> None:
        self.outcome = outcome
        self.reason = reason
        self.body = body
        self.program = program


class LocalTask:
    """One started inline or thread task: a copy of its payload, duplicates of the lent descriptors, its flag."""

    __slots__ = ("deadline_ns", "fds", "flag", "id", "payload", "rules")

    def __init__(self, id: int, rules: Rules, payload: bytes, deadline_ns: int) -> None:
        self.id = id
        self.rules = rules
        self.payload = payload
        self.fds: list[int] = []
        self.deadline_ns = deadline_ns
        self.flag = CancelFlag()

    def close_fds(self) -> None:
        """Close the lent duplicates; the handler may have closed some itself."""
        for fd in self.fds:
            try:
                os.close(fd)
            except OSError:
                pass
        self.fds = []


def complain(error: BaseException, reason: str | None = None) -> Answer:
    """Return the answer of a task that raised; with `reason`, of one whose result is no good."""
    told = explain_failure(error) if reason is None else complaint(error, reason)
    return Answer(FAILED, RAISED, encode(told))


def run_handler(task: LocalTask, say: Callable[[int, str, object], None]) -> Answer:
    """Run the handler to its end and return what came of it. Never raises but for KeyboardInterrupt."""
    names, text = task.payload.split(b"\0", 2)[1:]
    fds = dict(zip(names.decode().split(","), task.fds)) if names else {}
    context = Context(task.id, task.deadline_ns, fds, task.flag, say)
    entry = task.rules.entry
    assert entry is not None
    try:
        try:
            handler = entry.resolve()
        except Exception as error:
            raise UnknownHandler(f"the handler {entry.reference} cannot be loaded: {error}") from error
        result = handler(decode(text), context)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return complain(error)
    return check_result(result, task.rules.result_limit)


def check_result(result: object, limit: int) -> Answer:
    """Return the answer for what a handler returned: as JSON, and within the limit, as from a worker."""
    try:
        body = encode(result)
    except ENCODE_ERRORS as error:
        return complain(error, "bad-json")
    if len(body) > limit:
        return complain(ValueError(f"the result has {len(body)} bytes, the limit is {limit}"), "result-too-large")
    return Answer(SUCCEEDED, 0, body)
