"""The scheduler in an asyncio program: `await`, instead of callbacks; the loop watches the scheduler's descriptor."""

from __future__ import annotations

import asyncio

from pvsched.errors import Closed
from pvsched.scheduler.closing import cancel_all
from pvsched.scheduler.scheduler import Scheduler
from pvsched.scheduler.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pvsched.scheduler.scheduler import SchedulerOptions
    from pvsched.scheduler.task import Document


class AsyncScheduler:
    """Drives a `Scheduler` from one event loop, in whose thread all is called. Use it with `async with`.

    `AsyncScheduler(workers=2, ...)` opens a scheduler of its own; `attach()` takes one that is open.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        scheduler: Scheduler | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        **options: Unpack[SchedulerOptions],
    ) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self.scheduler = scheduler if scheduler is not None else Scheduler(workers, **options)
        self._fd = self.scheduler.fileno()
        self._waiting: dict[asyncio.Future[Document], int] = {}
        self._drained: asyncio.Future[None] | None = None  # close() waits for it
        self._attached = True
        self._loop.add_reader(self._fd, self._turn)
        self.scheduler._leaving.append(self.detach)  # a loop that watches a closed descriptor is deaf to the next one

    async def run_task(self, task: Task) -> Document:
        """Add the task and return its document when it has ended, whatever the outcome.

        Raises what `add_task` raises. If the awaiting asyncio task is cancelled, so is this one, by `caller`.
        """
        if not self._attached:
            raise Closed("the scheduler is not attached to a loop any more")
        future: asyncio.Future[Document] = self._loop.create_future()

        def ended(document: Document) -> None:
            if not future.done():
                future.set_result(document)

        self._waiting[future] = id = self.scheduler.add_task(task, ended)
        try:
            return await future
        except asyncio.CancelledError:
            if not self.scheduler.closed:
                self.scheduler.cancel(id)
            raise
        finally:
            del self._waiting[future]

    def _turn(self) -> None:
        if not self.scheduler.closed:
            self.scheduler.run()
        if self.scheduler.closed:  # a callback did it
            self.detach()
        elif not self.scheduler.pending:
            self._tell_drained()

    def _tell_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def detach(self) -> None:
        """Let the loop watch no more; the scheduler stays open. Whoever still awaits a task gets `Closed`."""
        if self._attached:
            self._attached = False
            self.scheduler._leaving.remove(self.detach)
            if not self._loop.is_closed():
                self._loop.remove_reader(self._fd)
        for future in self._waiting:
            if not future.done():
                future.set_exception(Closed("the scheduler was detached from its loop"))
        self._tell_drained()

    async def close(self, timeout: float = 1.0) -> None:
        """Cancel all tasks by `shutdown` without holding up the loop, then close the scheduler."""
        scheduler = self.scheduler
        try:
            if self._attached and not scheduler.closed:
                cancel_all(scheduler)
                if scheduler.pending:
                    self._drained = self._loop.create_future()
                    await asyncio.wait([self._drained], timeout=timeout)
        finally:
            if not scheduler.closed:
                scheduler.close(timeout=0.0)
            self.detach()

    async def __aenter__(self) -> AsyncScheduler:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


def attach(scheduler: Scheduler, loop: asyncio.AbstractEventLoop | None = None) -> AsyncScheduler:
    """Let the loop (the running one, if None) drive an open scheduler; its own callbacks go on working."""
    return AsyncScheduler(scheduler=scheduler, loop=loop)


__all__ = ["AsyncScheduler", "attach"]
