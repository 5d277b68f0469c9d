"""The main loop: one thread, level-triggered, asleep whenever there is nothing to do.

It is `select.epoll` and a heap, and no more: asyncio would cost 11 MB and 34 ms on every start and has nothing to wait
for here. A callback that raises is logged, and the loop goes on: one broken request must not take the supervisor down.

Everything here is for the main loop's own thread. `wake()` is the one exception: any thread may call it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import time
from collections.abc import Callable

Callback = Callable[[], None]
OnError = Callable[[BaseException], None]

_READ = select.EPOLLIN | select.EPOLLRDHUP
_WRITE = select.EPOLLOUT
# A full close and an error are reported whatever was asked for. Each side hears of them, so that neither waits for
# ever.
_GONE = select.EPOLLHUP | select.EPOLLERR
# More cancelled timers than this, and more than half of the heap: it is worth building it anew.
_STALE_TIMERS = 64


class Timer:
    """A call that is due at `when` (seconds of CLOCK_MONOTONIC). `cancel()` costs nothing:
    the heap forgets it later.
    """

    __slots__ = ("_callback", "_loop", "when")

    def __init__(self, loop: Loop, when: float, callback: Callback) -> None:
        self.when = when
        self._loop = loop
        self._callback: Callback | None = callback

    @property
    def live(self) -> bool:
        """True until it has been called or cancelled."""
        return self._callback is not None

    def cancel(self) -> None:
        """Take the call back; once it was made or taken back, this does nothing."""
        if self._callback is not None:
            self._callback = None
            self._loop._stale += 1

    def take(self) -> Callback | None:
        """The callback, for the loop alone, which calls it at most once."""
        callback, self._callback = self._callback, None
        return callback


class Loop:
    """Readers, writers, hang-ups and timers over one epoll descriptor.

    `on_error` receives what a callback raised; by default it is written to standard error. `clock` is CLOCK_MONOTONIC
    in seconds, and tests put their own in its place.
    """

    def __init__(self, on_error: OnError | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.time = clock
        self._on_error = on_error if on_error is not None else _print_error
        self._epoll = select.epoll()
        # Hang-ups stand in an epoll of their own: the same descriptor may be watched for reading in the first one, and
        # an entry without events there would replace it.
        self._hangups = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        self._leavers: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._stale = 0
        self._stopped = False
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.add_reader(self._hangups.fileno(), self._collect_hangups)
        self.add_reader(self._woken, self._drain_wake)

    # -- descriptors ---------------------------------------------------------------------------------------------------
    def add_reader(self, fd: int, callback: Callback) -> None:
        """Call `callback` whenever `fd` is readable, at its end, or broken; a second call replaces the callback."""
        known = fd in self._readers
        self._readers[fd] = callback
        if not known:
            self._update(fd, fd in self._writers)

    def remove_reader(self, fd: int) -> None:
        """Look at `fd` no longer; one that is not watched is no error. Call it before the descriptor is closed."""
        if self._readers.pop(fd, None) is not None:
            self._update(fd, True)

    def add_writer(self, fd: int, callback: Callback) -> None:
        """Call `callback` whenever `fd` takes bytes, or is broken; a second call replaces the callback."""
        known = fd in self._writers
        self._writers[fd] = callback
        if not known:
            self._update(fd, fd in self._readers)

    def remove_writer(self, fd: int) -> None:
        """The counterpart of `remove_reader`."""
        if self._writers.pop(fd, None) is not None:
            self._update(fd, True)

    def watch_hangup(self, fd: int, callback: Callback) -> None:
        """Call `callback` once when both directions of `fd` are closed; a half close does not count.

        The entry asks for no event, so only EPOLLHUP and EPOLLERR are reported, and nothing is read. They stay raised,
        so the entry is taken out at its first event: otherwise the loop would spin.
        """
        if fd not in self._leavers:
            self._hangups.register(fd, 0)
        self._leavers[fd] = callback

    def unwatch_hangup(self, fd: int) -> None:
        """Forget a `watch_hangup`; one that has fired or never was is no error."""
        if self._leavers.pop(fd, None) is not None:
            self._hangups.unregister(fd)

    def _update(self, fd: int, known: bool) -> None:
        """Tell the kernel what is wanted of `fd` now; `known`: it has an entry already."""
        wanted = (_READ if fd in self._readers else 0) | (_WRITE if fd in self._writers else 0)
        if not wanted:
            self._epoll.unregister(fd)
        elif known:
            self._epoll.modify(fd, wanted)
        else:
            self._epoll.register(fd, wanted)

    # -- time ----------------------------------------------------------------------------------------------------------
    def call_at(self, when: float, callback: Callback) -> Timer:
        """Call `callback` once at `when`, in seconds of `time()`;
        calls due together are made in the order of this one.
        """
        timer = Timer(self, when, callback)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Call `callback` once, `delay` seconds from now."""
        return self.call_at(self.time() + delay, callback)

    def _next_due(self) -> float | None:
        """When the next live timer is due; None when none is armed, and the loop may sleep for ever."""
        timers = self._timers
        if self._stale > _STALE_TIMERS and self._stale * 2 > len(timers):
            timers[:] = [entry for entry in timers if entry[2].live]
            heapq.heapify(timers)
            self._stale = 0
        while timers and not timers[0][2].live:
            heapq.heappop(timers)
            self._stale -= 1
        return timers[0][0] if timers else None

    def _call_due(self) -> None:
        """Make the calls that are due. Those they arm for this very moment wait for the next turn."""
        now, last = self.time(), next(self._count)
        while (due := self._next_due()) is not None and due <= now and self._timers[0][1] < last:
            callback = heapq.heappop(self._timers)[2].take()
            if callback is not None:
                self._call(callback)

    # -- turning -------------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Turn until `stop()`. Asleep without a timeout while no timer is armed."""
        self._stopped = False
        while not self._stopped:
            self.turn(None)

    def stop(self) -> None:
        """Let `run()` return after the present turn. For callbacks; another thread calls `wake()` after it."""
        self._stopped = True

    def wake(self) -> None:
        """Make a sleeping `turn` return. Any thread may call it."""
        if self._woken >= 0:
            os.eventfd_write(self._woken, 1)

    def turn(self, wait: float | None) -> None:
        """One pass: sleep for at most `wait` seconds (None:
        until something happens), then make every call that is due.
        """
        due = self._next_due()
        if due is not None:
            left = due - self.time()
            wait = max(left, 0.0) if wait is None or left < wait else wait
        events = self._epoll.poll(wait)
        readers, writers = self._readers, self._writers
        for fd, mask in events:
            # Looked up at the moment of the call: an earlier callback of this pass may have removed it.
            if mask & (_READ | _GONE) and (callback := readers.get(fd)) is not None:
                self._call(callback)
            if mask & (_WRITE | _GONE) and (callback := writers.get(fd)) is not None:
                self._call(callback)
        if self._timers:
            self._call_due()

    def close(self) -> None:
        """Give the loop's own descriptors back; what was watched stays open, it belongs to whoever opened it."""
        self._readers.clear()
        self._writers.clear()
        self._leavers.clear()
        self._timers.clear()
        self._hangups.close()
        self._epoll.close()
        if self._woken >= 0:
            os.close(self._woken)
            self._woken = -1

    def _call(self, callback: Callback) -> None:
        try:
            callback()
        except Exception as error:
            self._on_error(error)

    def _collect_hangups(self) -> None:
        for fd, _mask in self._hangups.poll(0):
            callback = self._leavers.pop(fd, None)
            if callback is not None:
                self._hangups.unregister(fd)
                self._call(callback)

    def _drain_wake(self) -> None:
        os.eventfd_read(self._woken)


def _print_error(error: BaseException) -> None:
    import sys
    import traceback

    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
