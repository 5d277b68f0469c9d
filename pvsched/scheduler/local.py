"""Tasks that run in this very process: inline in the thread that calls run(), or in a thread of their own."""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections import deque

from pvsched._core import ffi, lib
from pvsched.scheduler.codec import ENCODE_ERRORS, decode, encode
from pvsched.scheduler.context import CancelFlag, Context
from pvsched.scheduler.outcome import CANCELLED, FAILED, RAISED, SUCCEEDED, TIMED_OUT
from pvsched.scheduler.worker import UnknownHandler, complaint, explain_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pvsched.scheduler.programs import Program
    from pvsched.scheduler.rules import Rules

    Note = tuple[int, str, object]


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

    def __init__(self, id: int, rules: Rules, payload: bytes, fds: list[int], deadline_ns: int) -> None:
        self.id = id
        self.rules = rules
        self.payload = payload
        self.fds = fds
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


class Waker:
    """Wakes the scheduler from any thread; does nothing once it is closed."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self._lock = allocate_lock()

    def wake(self) -> None:
        with self._lock:
            if self._core is not None:
                lib.pvs_wake(self._core)

    def stop(self) -> None:
        with self._lock:
            self._core = None


class Threads:
    """Threads that run one task after another; made when none is idle, kept until the scheduler is closed."""

    def __init__(self, waker: Waker) -> None:
        from _queue import SimpleQueue

        self._waker = waker
        self._jobs: SimpleQueue[LocalTask | None] = SimpleQueue()
        self._idle = 0
        self._count = 0
        self.done: deque[tuple[LocalTask, Answer]] = deque()
        self.notes: deque[Note] = deque()

    def start(self, task: LocalTask) -> None:
        """Run the task in a thread. Raises RuntimeError when no thread can be made."""
        if self._idle == 0:
            import threading

            threading.Thread(target=self._work, daemon=True, name=f"pvsched-{self._count}").start()
            self._count += 1
        else:
            self._idle -= 1
        self._jobs.put(task)

    def finished(self) -> tuple[LocalTask, Answer]:
        """Take the oldest finished task. Raises IndexError when there is none."""
        pair = self.done.popleft()
        self._idle += 1
        return pair

    def stop(self) -> None:
        """Let idle threads end now, and busy ones after their task."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _say(self, id: int, kind: str, value: object) -> None:
        self.notes.append((id, kind, value))
        self._waker.wake()

    def _work(self) -> None:
        while True:
            task = self._jobs.get()
            if task is None:
                return
            try:
                answer = run_handler(task, self._say)
            except BaseException as error:
                answer = complain(error)
            task.close_fds()
            self.done.append((task, answer))
            del task, answer
            self._waker.wake()


class Local:
    """The supervisor's side of inline and thread tasks: takes what the core hands over, and reports it finished."""

    def __init__(self, core: Any, clock: Callable[[], int], say: Callable[[int, str, object], None]) -> None:
        self._core = core
        self._clock = clock
        self._say = say
        self._running: dict[int, LocalTask] = {}
        self._waker = Waker(core)
        self._threads: Threads | None = None
        self.answers: dict[int, Answer] = {}
        self.inline: deque[LocalTask] = deque()
        self.ran = 0  # inline tasks in the last turn that had any

    def start(self, id: int, rules: Rules, threaded: bool, started_ns: int) -> None:
        """A task is ours to run: in a thread at once, or inline after the callbacks of this turn."""
        task = self._take(id, rules, started_ns)
        self._running[id] = task
        if not threaded:
            self.inline.append(task)
            return
        if self._threads is None:
            self._threads = Threads(self._waker)
        try:
            self._threads.start(task)
        except RuntimeError as error:
            task.close_fds()
            self._finish(task, complain(error, "spawn-failed"))

    def run_inline(self) -> None:
        """Run the inline tasks of this turn. A handler may close the scheduler."""
        self.ran = len(self.inline)
        while self.inline:
            task = self.inline.popleft()
            answer = Answer(CANCELLED, 0, None)
            try:
                if not task.flag.raised:
                    answer = self._run(task)
            except BaseException as error:  # KeyboardInterrupt: the task ends, and it goes on to the caller
                answer = complain(error)
                raise
            finally:
                task.close_fds()
                if self._core is not None:
                    if task.deadline_ns and self._clock() > task.deadline_ns:
                        answer.outcome, answer.reason = TIMED_OUT, 0
                    self._finish(task, answer)

    def reap_threads(self) -> None:
        """Report what threads have finished and said."""
        threads = self._threads
        if threads is None:
            return
        while threads.notes:
            id, kind, value = threads.notes.popleft()
            if id in self._running:
                self._say(id, kind, value)
        while threads.done:
            self._finish(*threads.finished())

    def cancel(self, id: int) -> None:
        """Raise the flag of a task that runs here, if it does."""
        task = self._running.get(id)
        if task is not None:
            task.flag.raised = True

    def holds_all(self, live: dict[int, Any]) -> bool:
        """Say whether nothing lives but what runs here, which nobody can end."""
        return all(id in self._running for id in live)

    def left_behind(self) -> None:
        """In a forked child: there are no threads, and the core is the parent's."""
        self._core = None
        self._threads = None
        self.inline.clear()

    def close(self) -> None:
        """Let threads go. What they still return is dropped."""
        for task in self._running.values():
            task.flag.raised = True
        while self.inline:
            self.inline.popleft().close_fds()
        self._waker.stop()
        self._core = None
        if self._threads is not None:
            self._threads.stop()

    def _run(self, task: LocalTask) -> Answer:
        if task.rules.executor != "exec":
            return run_handler(task, self._say)
        from pvsched.scheduler.programs import run_program

        return run_program(task)

    def _finish(self, task: LocalTask, answer: Answer) -> None:
        self._running.pop(task.id, None)
        self.answers[task.id] = answer
        if lib.pvs_finish(self._core, task.id, self._clock(), answer.outcome, answer.reason) < 0:
            del self.answers[task.id]  # nobody waits for it any more

    def forget(self, id: int) -> None:
        """The task has ended before it returned (a thread at its deadline): its answer will be dropped."""
        task = self._running.get(id)
        if task is not None:
            task.flag.raised = True

    def _take(self, id: int, rules: Rules, started_ns: int) -> LocalTask:
        length = lib.pvs_payload(self._core, id, ffi.NULL, 0)
        buffer = ffi.new("char[]", max(1, length))
        lib.pvs_payload(self._core, id, buffer, length)
        lent = ffi.new("int[16]")
        count = lib.pvs_lent(self._core, id, lent)
        # Duplicates of our own: the core closes its own at the task's end, which a thread may outlive
        fds = [os.dup(lent[index]) for index in range(count)] if count > 0 else []
        timeout = rules.spec.timeout_ns
        return LocalTask(id, rules, ffi.buffer(buffer, length)[:], fds, started_ns + timeout if timeout else 0)
