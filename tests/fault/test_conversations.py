"""Random conversations over real sockets: nearly right heads and bodies in random pieces, then every way to leave.

Whatever was said: no exception reaches the loop, every connection ends, no timer and no descriptor is left.
PVSCHED_CONVERSATIONS sets the amount, PVSCHED_SEED the beginning.
"""

from __future__ import annotations

import os
import random

from tests.fault.head_grammar import head
from tests.unit.control.control_rig import SMALL, Peer, Rig

AMOUNT = int(os.environ.get("PVSCHED_CONVERSATIONS", "300"))
SEED = int(os.environ.get("PVSCHED_SEED", "1"))
REQUESTS = (
    SMALL,
    b"GET /wait HTTP/1.1\r\n\r\n",
    b"PUT /echo/a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloZZ\r\n",
    b"PUT /lend HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"PUT /nothing HTTP/1.0\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
)


def said(source: random.Random) -> bytes:
    """One to three requests, half of them from the grammar, some with bytes behind them that belong to nothing."""
    parts = []
    for _ in range(source.randrange(1, 4)):
        parts.append(source.choice((head(source), source.choice(REQUESTS))))
        parts.append(source.choice((b"", b"", b"5\r\nhello\r\n0\r\n\r\n", source.randbytes(source.randrange(40)))))
    return b"".join(parts)


def answer_all(rig: Rig, source: random.Random) -> None:
    """What the handlers left open: answered, lent and given back, or streamed."""
    while rig.replies:
        reply = rig.replies.pop()
        if reply.left or reply.answered:
            continue
        kind = source.randrange(4)
        if kind == 0:
            reply.stream("text/event-stream").write(b"data: x\n\n")
        elif kind == 1:
            reply.lend(rig.leave).answer(200, reusable=False)
        elif kind == 2:
            reply.lend(rig.leave).done(reusable=False)
        else:
            reply.send(200, b"late")
        rig.turn()


def converse(rig: Rig, source: random.Random, wire: bytes) -> None:
    """Send `wire` in pieces, then leave in one way or another, and let the time pass that is left to a slow client."""
    peer = Peer(rig)
    size = source.choice((1, 7, 100, 5000))
    for at in range(0, len(wire), size):
        try:
            peer.sock.send(wire[at : at + size])
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            break  # refused already, or not read because a handler is busy
        rig.loop.turn(0)
        if source.randrange(8) == 0:
            answer_all(rig, source)
    if source.randrange(2):
        peer.half_close()
    answer_all(rig, source)
    peer.sock.close()
    rig.turn()
    answer_all(rig, source)
    rig.pass_time(100)


def test_whatever_is_said_nothing_is_left(rig: Rig) -> None:
    """After each conversation: no connection, no timer, no error, and no more descriptors than before."""
    source = random.Random(SEED)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(AMOUNT):
        wire = said(source)
        converse(rig, source, wire)
        where = f"conversation {number} of seed {SEED}: {wire!r}"
        assert rig.server.connections == 0, f"{rig.server.states()} {where}"
        assert not rig.errors, where
        assert rig.loop._next_due() is None, where
        assert not rig.log.records, where
    assert len(os.listdir("/proc/self/fd")) == before
    assert rig.server.requests.keys() >= {200, 400, 413, 501}
