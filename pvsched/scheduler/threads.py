"""Threads that run tasks, and the one call that they may make on the core."""

from __future__ import annotations

from _thread import allocate_lock

from pvsched._core import lib
from pvsched.scheduler.local_task import Answer, LocalTask, complain, run_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from typing import Any

    Note = tuple[int, str, object]
else:
    from _collections import deque


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
