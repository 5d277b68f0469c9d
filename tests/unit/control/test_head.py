"""Heads before the parser: where they end, what is refused and with what, and the oddities that are put right."""

from __future__ import annotations

import pytest

from pvsched.control.head import HttpError, find_end, read_head, stray_lines
from pvsched.control.http import parse_head
from tests.conformance.recordings import numbers, recording

LINE = b"GET /x HTTP/1.1\r\n"


def status(head: bytes, limit: int = 16384) -> int:
    """What becomes of `head` followed by its end: 0 if it is served, else the status of its refusal."""
    try:
        return parse_head(head[: find_end(head, limit)]).version[0] * 0
    except HttpError as error:
        return error.status


def test_a_plain_head_goes_to_the_parser_as_it_is() -> None:
    """Nothing to put right, nothing copied."""
    raw = LINE + b"Host: localhost\r\n\r\n"
    assert read_head(raw).wire is raw


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        (b"Content-Length: 5\r\nContent-Length: 0\r\n", 5),
        (b"Content-Length: 5\r\nContent-Length:\r\n", 5),
        (b"Content-Length:5\r\n", 5),
        (b"content-LENGTH: \t5 \r\n", 5),
        (b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", 5),
        (b"Content-Length: 5\r\nTransfer-Encoding: Identity\r\n", 5),
        (b"Content-Length: 0\r\n", 0),
        (b"Content-Length: 007\r\n", 7),
    ],
)
def test_the_oddities_of_the_shell_clients_are_put_right(fields: bytes, length: int) -> None:
    """The first length wins, identity beside a length is nothing; and the parser sees none of it."""
    head = read_head(LINE + fields + b"X: y\r\n\r\n")
    assert (head.length, head.chunked) == (length, False)
    assert head.wire == LINE + b"X: y\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /\r\n\r\n", 400),  # HTTP/0.9
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.2\r\n\r\n", 400),
        (b"GET / HTTP/01.1\r\n\r\n", 400),
        (b"GET / http/1.1\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET\t/ HTTP/1.1\r\n\r\n", 400),
        (b" GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xc3\xa4 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT localhost:80 HTTP/1.1\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\n\r\n", 400),
        (b"GET https://localhost/ HTTP/1.1\r\n\r\n", 400),
        (b"PATCH / HTTP/1.1\r\n\r\n", 501),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", 501),
        (b"TRACE / HTTP/1.1\r\n\r\n", 501),
        (b"FOO / HTTP/1.1\r\n\r\n", 501),
        (b"get / HTTP/1.1\r\n\r\n", 501),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\n\r\n", 400),
        (b"GET / HTTP/1.1\rHost: localhost\r\n\r\n", 400),
        (LINE + b"A: b\rc\r\n\r\n", 400),
        (LINE + b"NoColon\r\n\r\n", 400),
        (LINE + b": empty\r\n\r\n", 400),
        (LINE + b"A : b\r\n\r\n", 400),
        (LINE + b" A: b\r\n\r\n", 400),
        (LINE + b"A: b\r\n folded\r\n\r\n", 400),
        (LINE + b"A\x00: b\r\n\r\n", 400),
        (LINE + b"A: \x00\r\n\r\n", 400),
        (LINE + b"A: \x7f\r\n\r\n", 400),
        (LINE + b"Upgrade: h2c\r\n\r\n", 400),
        (LINE + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
        (LINE + b"Content-Length: -1\r\n\r\n", 400),
        (LINE + b"Content-Length: +1\r\n\r\n", 400),
        (LINE + b"Content-Length: 1, 1\r\n\r\n", 400),
        (LINE + b"Content-Length: 0x1\r\n\r\n", 400),
        (LINE + b"Content-Length:\r\n\r\n", 400),
        (LINE + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
        (LINE + b"Content-Length: 1\r\nContent-Length: x\r\n\r\n", 400),
        (LINE + b"Content-Length : 1\r\n\r\n", 400),
        (LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),  # recording 059 takes it
        (LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
        (LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (LINE + b"Transfer-Encoding: chunked, identity\r\n\r\n", 400),
        (LINE + b"Transfer-Encoding: identity\r\n\r\n", 400),
        (LINE + b"Transfer-Encoding:\x0bchunked\r\n\r\n", 400),
        (b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (LINE + b"Expect: 200-ok\r\n\r\n", 417),
        (LINE + b"Host: a\r\n\r\n", 400),
        (LINE + b"Host: localhost\r\nHost: localhost\r\n\r\n", 400),
        (LINE + b"A: \xe4\xf6\r\nB:\r\n\r\n", 0),
        (b"GET / HTTP/1.0\r\n\r\n", 0),
        (b"GET / HTTP/1.0\r\nExpect: 200-ok\r\n\r\n", 0),
        (b"DELETE /x?y HTTP/1.1\r\n\r\n", 0),
    ],
)
def test_what_is_served_and_what_is_refused(head: bytes, expected: int) -> None:
    """Strict on all that no real client needs."""
    assert status(head) == expected


def test_stray_lines_are_counted_over_packets() -> None:
    """Four are forgiven, a fifth is not, however they arrive."""
    assert stray_lines(b"\r\n\r\nGET") == 4
    assert stray_lines(b"\r\n", 3) == 2
    with pytest.raises(HttpError):
        stray_lines(b"\r\n", 4)


def test_a_head_is_refused_as_soon_as_it_shows() -> None:
    """A bad request line, and a bare LF: nobody has to wait for the end of the head."""
    for early in (b"GET / HTTP/9.9\r\n", b"FOO / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nA: b\n"):
        with pytest.raises(HttpError):
            find_end(early, 16384)
    assert find_end(b"GET / HTTP/9.9", 16384) == 0


def golden(number: int) -> bytes:
    """The recorded request, of a long one the head."""
    request = recording(number).request
    return request if b"[... ELIDED:" not in request else request.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


@pytest.mark.parametrize("number", [n for n in numbers(1, 399) if b"ELIDED" not in golden(n)])
def test_every_split_of_every_recorded_request_gives_the_same(number: int) -> None:
    """Reliability row D2, in the pure room: the head read as a socket gives it, cut at every place."""
    request = golden(number)
    whole = read_in_pieces([request])
    for cut in range(1, len(request)):
        assert read_in_pieces([request[:cut], request[cut:]]) == whole, cut


def read_in_pieces(pieces: list[bytes]) -> tuple[object, ...]:
    """What the head in `pieces` says, or how it is refused; and what is behind it."""
    buffer = b""
    for piece in pieces:
        buffer += piece
        try:
            buffer = buffer[stray_lines(buffer) :]
            end = find_end(buffer, 16384)
            if end:
                request = parse_head(buffer[:end])
                body = (request.body.kind, request.body.length)
                return (request.method, request.target, request.headers, body, request.keep_alive)
        except HttpError as error:
            return (error.status, error.code)
    return ("unfinished",)
