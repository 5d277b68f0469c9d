"""The way out: finish what was taken, leave at the deadline, leave at once when asked twice."""

from __future__ import annotations

import os

from pvsched.drain import Drain
from pvsched.log import Log
from pvsched.notify import ServiceManager
from tests.unit.control.endpoint_doubles import FakeLoop


class World:
    """A daemon with two requests and one task under way."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.busy = (2, 1)
        self.begun = 0
        self._null = os.open(os.devnull, os.O_WRONLY)
        log = Log("info", "plain", fd=self._null)
        self.drain = Drain(
            self.loop,  # type: ignore[arg-type]
            log,
            ServiceManager(),
            begin=self._begin,
            busy=lambda: self.busy,
            timeout=lambda: 7.0,
        )

    def _begin(self) -> None:
        self.begun += 1

    def close(self) -> None:
        os.close(self._null)


def test_it_waits_for_requests_and_tasks() -> None:
    """The loop stops when both are gone, not before; the timer is taken back."""
    world = World()
    world.drain.request()
    assert (world.begun, world.loop.stopped, world.loop.timers[0].delay) == (1, 0, 7.0)
    world.busy = (0, 1)
    world.drain.check()
    assert world.loop.stopped == 0
    world.busy = (0, 0)
    world.drain.check()
    assert world.loop.stopped == 1
    assert world.loop.timers[0].cancelled
    world.close()


def test_with_nothing_under_way_it_stops_at_once() -> None:
    """An idle daemon does not wait for its deadline."""
    world = World()
    world.busy = (0, 0)
    world.drain.request()
    assert world.loop.stopped == 1
    world.close()


def test_the_deadline_ends_it() -> None:
    """A client that never finishes does not keep a device from shutting down."""
    world = World()
    world.drain.request()
    world.loop.pass_time()
    assert world.loop.stopped == 1
    world.close()


def test_a_second_signal_ends_it_at_once() -> None:
    """And work is not stopped from coming a second time."""
    world = World()
    world.drain.request()
    world.drain.request()
    assert (world.begun, world.loop.stopped) == (1, 1)
    world.close()


def test_without_a_signal_nothing_stops() -> None:
    """`check` is called after every turn of the loop."""
    world = World()
    world.busy = (0, 0)
    world.drain.check()
    assert world.loop.stopped == 0
    world.close()
