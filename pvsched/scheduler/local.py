"""The supervisor's side of tasks that run in this very process: inline in run(), or in threads."""

from __future__ import annotations

import os

from pvsched._core import ffi, lib
from pvsched.errors import SchedulerError
from pvsched.scheduler.local_task import Answer, LocalTask, complain, run_handler
from pvsched.scheduler.outcome import CANCELLED, TIMED_OUT
from pvsched.scheduler.threads import Threads, Waker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable
    from typing import Any

    from pvsched.scheduler.registry import Registry
    from pvsched.scheduler.rules import Rules
else:
    from _collections import deque


class Local:
    """The supervisor's side of inline and thread tasks: takes what the core hands over, and reports it finished."""

    def __init__(
        self, core: Any, registry: Registry, clock: Callable[[], int], say: Callable[[int, str, object], None]
    ) -> None:
        self._core = core
        self._registry = registry
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
        try:
            self._duplicate_lent(task)
            if threaded:
                self._start_thread(task)
            else:
                self.inline.append(task)
        except (OSError, RuntimeError) as error:  # no descriptor, no thread: the machine is at its end, the loop is not
            task.close_fds()
            self._finish(task, complain(error, "spawn-failed"))

    def _start_thread(self, task: LocalTask) -> None:
        if self._threads is None:
            self._threads = Threads(self._waker)
        self._threads.start(task)

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

    @property
    def running(self) -> Iterable[int]:
        """The ids of inline and thread tasks that were started and have not been reported finished."""
        return self._running

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

        try:
            return run_program(task, self._registry)
        except (OSError, SchedulerError) as error:
            return complain(error, "spawn-failed")

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
        timeout = rules.spec.timeout_ns
        return LocalTask(id, rules, ffi.buffer(buffer, length)[:], started_ns + timeout if timeout else 0)

    def _duplicate_lent(self, task: LocalTask) -> None:
        """Give it descriptors of its own: the core closes its own at the task's end, which a thread may outlive."""
        lent = ffi.new("int[16]")
        for index in range(max(0, lib.pvs_lent(self._core, task.id, lent))):
            task.fds.append(os.dup(lent[index]))
