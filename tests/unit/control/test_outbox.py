"""What waits to be sent: in order, bounded in time, and told once."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pvsched.control.outbox import Outbox
from pvsched.loop import Loop


class Rig:
    """An outbox over one end of a pair."""

    def __init__(self) -> None:
        self.now = 0.0
        self.seen: list[str] = []
        self.loop = Loop(clock=lambda: self.now)
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.far.setblocking(False)
        self.outbox = Outbox(self.loop, self.near, lambda: 5.0, lambda: self.see("flushed"), lambda: self.see("broken"))

    def see(self, what: str) -> None:
        self.seen.append(what)
        if what == "broken":
            self.outbox.close()

    def read(self) -> bytes:
        """All that is there now."""
        data = b""
        while True:
            try:
                piece = self.far.recv(1 << 20)
            except BlockingIOError:
                return data
            data += piece


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.outbox.close()
    made.near.close()
    made.far.close()
    made.loop.close()


def test_what_fits_goes_at_once(rig: Rig) -> None:
    """No writer, no timer, nothing to be told later."""
    assert rig.outbox.send(b"hello")
    rig.loop.turn(0)
    assert (rig.read(), rig.seen, rig.outbox.waiting) == (b"hello", [], 0)
    assert rig.loop._next_due() is None


def test_what_does_not_fit_follows_in_order(rig: Rig) -> None:
    """Two large pieces, byte for byte, and one word at the end."""
    wanted = b"a" * 1_000_000 + b"b" * 1_000_000
    assert not rig.outbox.send(wanted[:1_000_000])
    assert not rig.outbox.send(wanted[1_000_000:])
    assert 0 < rig.outbox.waiting < len(wanted)
    got = b""
    while len(got) < len(wanted):
        got += rig.read()
        rig.loop.turn(0)
    assert got == wanted
    assert (rig.seen, rig.outbox.waiting) == (["flushed"], 0)
    assert rig.outbox.send(b"more")


def test_a_reader_that_stalls_is_broken(rig: Rig) -> None:
    """Counted from the last byte it took."""
    rig.outbox.send(b"a" * 3_000_000)
    rig.now = 4.0
    assert rig.read()
    rig.loop.turn(0)
    rig.now = 8.0
    rig.loop.turn(0)
    assert rig.seen == []
    rig.now = 9.1
    rig.loop.turn(0)
    assert rig.seen == ["broken"]


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_reader_that_is_gone_is_broken(rig: Rig, size: int) -> None:
    """At once, or when the rest should follow."""
    if size > 1000:
        rig.outbox.send(b"a" * size)
        rig.far.close()
        rig.loop.turn(0)
    else:
        rig.far.close()
        assert not rig.outbox.send(b"a" * size)
    assert rig.seen == ["broken"]
