"""The main loop: readers, writers, hang-ups, timers, and what must not end it."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator

import pytest

from pvsched.loop import Loop


class Rig:
    """A loop with a clock of its own, and a list of what happened."""

    def __init__(self) -> None:
        self.now = 100.0
        self.errors: list[BaseException] = []
        self.seen: list[object] = []
        self.loop = Loop(self.errors.append, lambda: self.now)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.loop.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    one.setblocking(False)
    with one, other:
        yield one, other


Pair = tuple[socket.socket, socket.socket]


def test_a_reader_is_called_as_long_as_there_is_something(rig: Rig, pair: Pair) -> None:
    """Level-triggered: once a turn, until it was read."""
    rig.loop.add_reader(pair[0].fileno(), lambda: rig.seen.append(1))
    rig.loop.turn(0)
    assert rig.seen == []
    pair[1].send(b"x")
    rig.loop.turn(None)
    rig.loop.turn(None)
    assert rig.seen == [1, 1]
    pair[0].recv(1)
    rig.loop.turn(0)
    assert rig.seen == [1, 1]


def test_a_second_reader_replaces_the_first(rig: Rig, pair: Pair) -> None:
    """And removing is harmless, twice or for a stranger."""
    pair[1].send(b"x")
    rig.loop.add_reader(pair[0].fileno(), lambda: rig.seen.append(1))
    rig.loop.add_reader(pair[0].fileno(), lambda: rig.seen.append(2))
    rig.loop.turn(0)
    assert rig.seen == [2]
    for _ in range(2):
        rig.loop.remove_reader(pair[0].fileno())
    rig.loop.remove_writer(987)
    rig.loop.unwatch_hangup(987)
    rig.loop.turn(0)
    assert rig.seen == [2]


def test_reader_and_writer_of_one_descriptor_are_independent(rig: Rig, pair: Pair) -> None:
    """Each comes and goes without the other."""
    fd = pair[0].fileno()
    rig.loop.add_writer(fd, lambda: rig.seen.append("w"))
    rig.loop.add_reader(fd, lambda: rig.seen.append("r"))
    rig.loop.turn(0)
    assert rig.seen == ["w"]
    pair[1].send(b"x")
    rig.loop.turn(0)
    assert rig.seen == ["w", "r", "w"]
    rig.loop.remove_writer(fd)
    rig.loop.turn(0)
    assert rig.seen == ["w", "r", "w", "r"]


def test_a_callback_may_remove_another_of_the_same_turn(rig: Rig) -> None:
    """Who was removed is not called, though its event was collected already."""
    pairs = [socket.socketpair() for _ in range(2)]
    fds = [one.fileno() for one, _ in pairs]

    def only(index: int) -> None:
        rig.seen.append(index)
        rig.loop.remove_reader(fds[1 - index])

    for index in range(2):
        rig.loop.add_reader(fds[index], lambda index=index: only(index))  # type: ignore[misc]
        pairs[index][1].send(b"x")
    rig.loop.turn(0)
    assert len(rig.seen) == 1
    for one, other in pairs:
        one.close()
        other.close()


def test_a_hang_up_is_a_full_close_and_told_once(rig: Rig, pair: Pair) -> None:
    """Neither bytes nor a half close are; and after the first event the loop sleeps again."""
    rig.loop.watch_hangup(pair[0].fileno(), lambda: rig.seen.append("gone"))
    pair[1].send(b"x")
    pair[1].shutdown(socket.SHUT_WR)
    rig.loop.turn(0)
    assert rig.seen == []
    pair[1].close()
    for _ in range(3):
        rig.loop.turn(0)
    assert rig.seen == ["gone"]
    ready = select.select([rig.loop._epoll], [], [], 0)[0]
    assert ready == []


def test_a_hang_up_may_be_watched_beside_a_reader(rig: Rig, pair: Pair) -> None:
    """They are two entries, and taking one away leaves the other."""
    fd = pair[0].fileno()
    rig.loop.add_reader(fd, lambda: rig.seen.append("r"))
    rig.loop.watch_hangup(fd, lambda: rig.seen.append("gone"))
    rig.loop.remove_reader(fd)
    pair[1].close()
    rig.loop.turn(0)
    assert rig.seen == ["gone"]


def test_an_unwatched_hang_up_is_not_told(rig: Rig, pair: Pair) -> None:
    """Once taken back, it is gone."""
    rig.loop.watch_hangup(pair[0].fileno(), lambda: rig.seen.append("gone"))
    rig.loop.unwatch_hangup(pair[0].fileno())
    pair[1].close()
    rig.loop.turn(0)
    assert rig.seen == []


def test_a_writer_hears_of_a_closed_peer(rig: Rig, pair: Pair) -> None:
    """Though nothing can be written: it must not wait for ever."""
    while True:
        try:
            pair[0].send(b"x" * 65536)
        except BlockingIOError:
            break
    rig.loop.add_writer(pair[0].fileno(), lambda: rig.seen.append("w"))
    rig.loop.turn(0)
    assert rig.seen == []
    pair[1].close()
    rig.loop.turn(0)
    assert rig.seen == ["w"]


def test_timers_are_called_in_order_and_once(rig: Rig) -> None:
    """By time, and by the order of arming where the time is the same."""
    for when, name in ((102, "b"), (101, "a"), (102, "c"), (200, "never")):
        rig.loop.call_at(when, lambda name=name: rig.seen.append(name))  # type: ignore[misc]
    rig.loop.turn(0)
    assert rig.seen == []
    rig.now = 150
    rig.loop.turn(None)
    rig.loop.turn(0)
    assert rig.seen == ["a", "b", "c"]


def test_a_cancelled_timer_is_not_called_and_does_not_wake(rig: Rig) -> None:
    """Not even by another timer that is due with it."""
    second = rig.loop.call_later(1, lambda: rig.seen.append("second"))
    rig.loop.call_later(1, second.cancel)
    first = rig.loop.call_later(0.5, lambda: rig.seen.append("first"))
    first.cancel()
    first.cancel()
    rig.now += 0.9
    rig.loop.turn(0)
    third = rig.loop.call_later(0.05, lambda: rig.seen.append("third"))
    third.cancel()
    rig.now += 0.2
    rig.loop.turn(0)
    assert rig.seen == ["second"]
    assert not second.live
    assert rig.loop._next_due() is None


def test_cancelled_timers_do_not_pile_up(rig: Rig) -> None:
    """Memory stays flat over any number of them."""
    for _ in range(10_000):
        rig.loop.call_later(1000, lambda: None).cancel()
        rig.loop.turn(0)
    assert len(rig.loop._timers) < 200


def test_a_timer_that_arms_itself_does_not_starve_the_descriptors(rig: Rig, pair: Pair) -> None:
    """What is armed for now is called in the next turn."""

    def again() -> None:
        rig.seen.append("t")
        rig.loop.call_later(0, again)

    again()
    rig.loop.add_reader(pair[0].fileno(), lambda: rig.seen.append("r"))
    pair[1].send(b"x")
    rig.loop.turn(None)
    rig.loop.turn(None)
    assert rig.seen == ["t", "r", "t", "r", "t"]


def test_a_callback_that_raises_is_reported_and_the_others_are_called(rig: Rig, pair: Pair) -> None:
    """Readers, timers and hang-ups alike."""

    def fail() -> None:
        raise ZeroDivisionError

    rig.loop.add_reader(pair[0].fileno(), fail)
    rig.loop.watch_hangup(pair[0].fileno(), fail)
    rig.loop.call_later(0, fail)
    rig.loop.call_later(0, lambda: rig.seen.append("after"))
    pair[1].close()
    rig.loop.turn(0)
    assert [type(error) for error in rig.errors] == [ZeroDivisionError] * 3
    assert rig.seen == ["after"]


def test_without_a_handler_errors_are_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """With their traceback, and the loop goes on."""
    loop = Loop()
    loop.call_later(-1, lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    loop.turn(0)
    loop.close()
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_run_returns_after_stop(rig: Rig) -> None:
    """And may be called again."""
    for _ in range(2):
        rig.loop.call_later(0, rig.loop.stop)
        rig.loop.run()


def test_another_thread_may_wake_the_loop(rig: Rig) -> None:
    """A sleeping run() returns after stop() and wake()."""

    def interrupt() -> None:
        rig.loop.stop()
        rig.loop.wake()

    rig.loop.call_later(0, lambda: threads.append(threading.Thread(target=interrupt)) or threads[0].start())  # type: ignore[func-returns-value]
    threads: list[threading.Thread] = []
    rig.loop.run()
    threads[0].join()


def test_an_idle_loop_has_nothing_due(rig: Rig) -> None:
    """So it sleeps without a timeout: no wake-ups."""
    assert rig.loop._next_due() is None


def test_close_gives_the_descriptors_back() -> None:
    """Its own, and only them."""
    before = os.listdir("/proc/self/fd")
    one, other = socket.socketpair()
    loop = Loop()
    loop.add_reader(one.fileno(), lambda: None)
    loop.watch_hangup(one.fileno(), lambda: None)
    loop.close()
    os.fstat(one.fileno())
    one.close()
    other.close()
    assert os.listdir("/proc/self/fd") == before
