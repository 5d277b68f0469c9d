"""Heads out of a real socket: exactly their bytes, whatever stands behind them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pvsched.control.head import HttpError
from pvsched.control.headreader import HeadReader
from pvsched.control.limits import Limits

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


def test_exactly_the_head_is_taken(pair: Pair) -> None:
    """The rest stays in the socket, for whoever reads it."""
    pair[1].send(HEAD + b"body")
    assert HeadReader(pair[0], Limits()).read() == HEAD
    assert pair[0].recv(100) == b"body"


def test_an_unfinished_head_is_consumed(pair: Pair) -> None:
    """Or the loop would be told of it again and again."""
    reader = HeadReader(pair[0], Limits())
    pair[1].send(HEAD[:10])
    assert reader.read() is None
    assert reader.begun
    with pytest.raises(BlockingIOError):
        reader.read()
    pair[1].send(HEAD[10:] + HEAD)
    assert reader.read() == HEAD
    assert not reader.begun
    assert reader.read() == HEAD


def test_a_head_larger_than_a_peek_is_put_together(pair: Pair) -> None:
    """Peek after peek, and its end is found wherever it lies."""
    large = HEAD[:-2] + b"X: " + b"x" * 9000 + b"\r\n\r\n"
    reader = HeadReader(pair[0], Limits())
    pair[1].send(large + b"body")
    parts = [reader.read() for _ in range(3)]
    assert parts == [None, None, large]
    assert pair[0].recv(100) == b"body"


def test_empty_lines_are_no_beginning(pair: Pair) -> None:
    """They are taken, and no clock starts for them; half of one does begin something."""
    reader = HeadReader(pair[0], Limits())
    pair[1].send(b"\r\n\r")
    assert reader.read() is None
    assert reader.begun
    pair[1].send(b"\n")
    assert reader.read() is None
    assert not reader.begun
    pair[1].send(HEAD)
    assert reader.read() == HEAD


def test_the_end_of_the_client_is_told(pair: Pair) -> None:
    """With or without part of a head before it."""
    reader = HeadReader(pair[0], Limits())
    pair[1].send(b"GET")
    assert reader.read() is None
    pair[1].close()
    with pytest.raises(EOFError):
        reader.read()


def test_the_limit_is_that_of_the_whole_head(pair: Pair) -> None:
    """Not of one peek."""
    reader = HeadReader(pair[0], Limits(head=5000))
    pair[1].send(b"GET / HTTP/1.1\r\nX: " + b"x" * 6000)
    assert reader.read() is None
    with pytest.raises(HttpError) as caught:
        reader.read()
    assert caught.value.status == 431
