"""Bodies on a real socket: to the end and no further."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvsched.objects.body import body_of, drain
from pvsched.objects.chunked import BadChunk
from pvsched.objects.client import Client, ClientLeft
from pvsched.objects.pace import Pace
from tests.unit.objects.lent import chunked, waiting

NEXT = b"GET /next HTTP/1.1\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's end, and the lent one."""
    peer, lent = socket.socketpair()
    with peer, lent:
        lent.setblocking(False)
        yield peer, lent


def read_all(lent: socket.socket, kind: str, length: int | None, size: int) -> tuple[bytes, bool]:
    """Reads a body with a buffer of `size` bytes; returns it, and whether it was finished."""
    with Client(lent.fileno(), Pace(20, 0), lambda: False) as client:
        body, buffer, content = body_of(client, kind, length), memoryview(bytearray(size)), b""
        while count := body.read_into(buffer):
            content += buffer[:count]
        return content, body.finished


@given(st.binary(max_size=200), st.integers(1, 300))
@settings(deadline=None, max_examples=60)
def test_a_plain_body_ends_at_its_length(content: bytes, size: int) -> None:
    """The next request, sent in the same breath, stays unread."""
    peer, lent = socket.socketpair()
    with peer, lent:
        peer.sendall(content + NEXT)
        assert read_all(lent, "length", len(content), size) == (content, True)
        assert waiting(lent) == NEXT


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5), st.integers(1, 300))
@settings(deadline=None, max_examples=60)
def test_a_chunked_body_ends_at_its_last_line(parts: list[bytes], size: int) -> None:
    """The next request, sent in the same breath, stays unread."""
    peer, lent = socket.socketpair()
    with peer, lent:
        peer.sendall(chunked(*parts) + NEXT)
        assert read_all(lent, "chunked", None, size) == (b"".join(parts), True)
        assert waiting(lent) == NEXT


def test_a_chunked_body_that_comes_byte_by_byte_is_the_same(pair: tuple[socket.socket, socket.socket]) -> None:
    """Each byte is sent only once the one before has been taken: every split point is met."""
    peer, lent = pair
    taken = threading.Semaphore(1)
    wire = chunked(b"a", b"bc") + NEXT

    class Counting(Client):
        def receive_into(self, view: memoryview) -> int:
            count = super().receive_into(view)
            taken.release()
            return count

    def trickle() -> None:
        for byte in wire[: -len(NEXT)]:
            taken.acquire()
            peer.send(bytes((byte,)))
        peer.send(NEXT)

    sender = threading.Thread(target=trickle)
    sender.start()
    with Counting(lent.fileno(), Pace(20, 0), lambda: False) as client:
        body, buffer, content = body_of(client, "chunked", None), memoryview(bytearray(64)), b""
        while count := body.read_into(buffer):
            content += buffer[:count]
    sender.join()
    assert content == b"abc"
    assert waiting(lent) == NEXT


def test_no_body_reads_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    """Without a length and without chunks what follows is the next request."""
    peer, lent = pair
    peer.sendall(NEXT)
    assert read_all(lent, "none", None, 10) == (b"", True)
    assert waiting(lent) == NEXT


@pytest.mark.parametrize(
    ("kind", "length", "sent"), [("length", 5, b"abc"), ("chunked", None, b"5\r\nabc"), ("chunked", None, b"5")]
)
def test_an_end_that_comes_early_is_told_from_the_end_of_the_body(
    pair: tuple[socket.socket, socket.socket], kind: str, length: int | None, sent: bytes
) -> None:
    """A client that shuts down in the middle has left."""
    peer, lent = pair
    peer.sendall(sent)
    peer.shutdown(socket.SHUT_WR)
    with pytest.raises(ClientLeft):
        read_all(lent, kind, length, 10)


def test_broken_chunks_are_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    """Framing that cannot be read ends the body."""
    peer, lent = pair
    peer.sendall(b"ZZ\r\nabc\r\n")
    with pytest.raises(BadChunk):
        read_all(lent, "chunked", None, 10)


def test_draining_is_bounded(pair: tuple[socket.socket, socket.socket]) -> None:
    """A body longer than the limit is left, and said not to be finished."""
    peer, lent = pair
    peer.sendall(b"x" * 100)
    with Client(lent.fileno(), Pace(20, 0), lambda: False) as client:
        buffer = memoryview(bytearray(10))
        assert not drain(body_of(client, "length", 100), buffer, 50)
        assert drain(body_of(client, "length", 50), buffer, 51)
        assert drain(body_of(client, "length", 0), buffer, 0)
    assert waiting(lent) == b""
