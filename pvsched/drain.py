"""The way out: stop taking work, let what was taken finish, and leave at the deadline whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.log import Log
    from pvsched.loop import Loop, Timer
    from pvsched.notify import ServiceManager


class Drain:
    """SIGTERM and SIGINT end here. Main loop only.

    `begin` stops taking work. `busy` says how many requests and tasks must still finish. `timeout` gives the seconds
    that they have. When nothing is left, or the time is over, or a second signal comes, the loop stops.
    """

    def __init__(
        self,
        loop: Loop,
        log: Log,
        service: ServiceManager,
        *,
        begin: Callable[[], None],
        busy: Callable[[], tuple[int, int]],
        timeout: Callable[[], float],
    ) -> None:
        self.draining = False
        self.hurried = False  # a second signal has come
        self._loop = loop
        self._log = log
        self._service = service
        self._begin = begin
        self._busy = busy
        self._timeout = timeout
        self._timer: Timer | None = None

    def request(self) -> None:
        """A signal to stop has come."""
        if self.draining:
            self.hurried = True
            self._log.warning("second signal to stop: leaving at once")
            self._stop()
            return
        self.draining = True
        self._begin()
        requests, tasks = self._busy()
        timeout = self._timeout()
        self._log.info("stopping", requests=requests, tasks=tasks, deadline=timeout)
        self._service.stopping(f"finishing {requests} requests, {tasks} tasks")
        self._timer = self._loop.call_later(timeout, self._expired)
        self.check()

    def check(self) -> None:
        """To be called when something has ended."""
        if self.draining and self._busy() == (0, 0):
            self._stop()

    def _expired(self) -> None:
        requests, tasks = self._busy()
        self._log.warning("the deadline for stopping is over", requests=requests, tasks=tasks)
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.stop()
