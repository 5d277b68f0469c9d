"""Accepting: bounded connections, lack of descriptors, draining, and the end."""

from __future__ import annotations

import errno
import socket

import pytest

from pvsched.control.limits import Limits
from tests.unit.control.control_rig import SMALL, Peer, Rig

WAIT = b"GET /wait HTTP/1.1\r\n\r\n"


def test_the_longest_idle_connection_makes_room() -> None:
    """Not the one that was served last, and not the one that is busy."""
    rig = Rig(Limits(connections=3))
    try:
        busy, old, new = rig.peer().send(WAIT), rig.peer(), rig.peer()
        old.ask(SMALL)
        new.ask(SMALL)
        fourth = rig.peer()
        assert fourth.ask(SMALL).endswith(b"[]")
        assert rig.server.connections == 3
        assert old.now() == b""
        assert new.now() is None
        rig.replies[0].send(200, b"late")
        assert busy.recv().endswith(b"late")
    finally:
        rig.close()


def test_a_request_that_was_not_read_yet_is_not_lost_to_a_newcomer() -> None:
    """Whoever has asked already is not idle: another one makes room, or the newcomer waits for its answer."""
    rig = Rig(Limits(connections=2))
    try:
        asked, idle = rig.peer(), rig.peer()
        newcomer = Peer(rig)
        newcomer.sock.send(SMALL)
        asked.sock.send(SMALL)
        assert asked.recv().endswith(b"[]")
        assert newcomer.recv().endswith(b"[]")
        assert idle.now() == b""
        last = Peer(rig)
        for peer in (last, asked, newcomer):
            peer.sock.send(SMALL)
        assert [peer.recv()[-2:] for peer in (asked, newcomer, last)] == [b"[]"] * 3
    finally:
        rig.close()


def test_a_head_that_never_ends_makes_room_too() -> None:
    """A thousand slow heads do not lock others out."""
    rig = Rig(Limits(connections=2))
    try:
        slow = [rig.peer().send(b"GET /sm") for _ in range(2)]
        assert rig.peer().ask(SMALL).endswith(b"[]")
        assert slow[0].now() == b""
    finally:
        rig.close()


def test_while_all_are_busy_a_new_connection_waits_in_the_kernel() -> None:
    """It is neither refused nor lost, and is served as soon as one has ended."""
    rig = Rig(Limits(connections=2))
    try:
        busy = [rig.peer().send(WAIT) for _ in range(2)]
        third = rig.peer().send(SMALL)
        rig.turn(20)
        assert third.now() is None
        assert rig.server.connections == 2
        busy[0].close()
        assert third.recv().endswith(b"[]")
    finally:
        rig.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_lack_of_descriptors_closes_an_idle_connection_or_waits(rig: Rig, number: int) -> None:
    """It neither spins nor gives up: after a moment it looks again."""

    class Failing:
        def __init__(self, real: socket.socket) -> None:
            self.real = real
            self.failures = 2

        def accept(self) -> tuple[socket.socket, object]:
            if self.failures:
                self.failures -= 1
                raise OSError(number, "injected")
            return self.real.accept()

    idle = rig.peer()
    failing = Failing(rig._listener)
    rig.server._accept(failing)  # type: ignore[arg-type]
    assert idle.now() == b""
    rig.server._accept(failing)  # type: ignore[arg-type]
    peer = rig.peer().send(SMALL)
    assert peer.now() is None
    assert [level for level, _ in rig.log.records] == ["warning", "warning"]
    rig.pass_time(0.2)
    assert peer.recv().endswith(b"[]")


def test_draining_lets_the_busy_finish(rig: Rig) -> None:
    """Idle ones are closed at once, the last answer says close, and then it is told."""
    told: list[int] = []
    idle, busy = rig.peer(), rig.peer().send(WAIT)
    rig.server.drain(lambda: told.append(1))
    assert idle.now() == b""
    assert told == []
    rig.replies[0].send(200, b"last")
    assert busy.to_end().endswith(b"last")
    assert told == [1]


def test_draining_with_nobody_there_is_told_at_once(rig: Rig) -> None:
    """There is nothing to wait for."""
    told: list[int] = []
    rig.server.drain(lambda: told.append(1))
    assert told == [1]


def test_close_tells_the_handlers(rig: Rig) -> None:
    """Who waits for an answer is gone, whatever it waited for."""
    rig.peer().send(WAIT)
    rig.replies[0].on_left(rig.leave)
    rig.server.close()
    assert (rig.left, rig.server.connections) == (1, 0)


def test_answers_are_counted_by_status(rig: Rig) -> None:
    """For the metrics."""
    peer = rig.peer()
    peer.ask(SMALL)
    peer.ask(b"GET /nothing HTTP/1.1\r\n\r\n")
    peer.ask(b"FOO / HTTP/1.1\r\n\r\n")
    assert rig.server.requests == {200: 1, 400: 1, 501: 1}


def test_limits_may_change_while_it_runs(rig: Rig) -> None:
    """A reload changes them in place; connections that are open follow."""
    peer = rig.peer()
    rig.server.limits.head = 32
    assert peer.ask(SMALL.replace(b"Host", b"Host-of-quite-some-length")).startswith(b"HTTP/1.1 431")


def test_an_unknown_limit_is_refused() -> None:
    """A misspelt limit must not pass for one."""
    with pytest.raises(TypeError):
        Limits(heads=1)  # type: ignore[call-arg]
