"""Bodies: they end at their last byte, wherever they are cut, and bad chunks are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvsched.control.body import ChunkedBody, LengthBody
from pvsched.control.head import HttpError

CHUNKED = b"4\r\nwiki\r\nA;ext=1\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n"


def fed(body: ChunkedBody | LengthBody, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """(content, what was left over) after feeding `pieces` as a socket would: what is not used comes again."""
    content, rest = b"", b""
    for piece in pieces:
        rest += piece
        if not body.complete:
            used, part = body.feed(rest)
            content += part
            rest = rest[used:]
    return content, rest


def test_a_length_body_takes_its_length_and_no_more() -> None:
    """What follows is the next request's."""
    body = LengthBody(3)
    assert body.feed(b"ab") == (2, b"ab")
    assert not body.complete
    assert body.feed(b"cGET") == (1, b"c")
    assert body.complete


@pytest.mark.parametrize("cut", range(len(CHUNKED) + 1))
def test_a_chunked_body_is_the_same_wherever_it_is_cut(cut: int) -> None:
    """Every split point, with the next request behind it."""
    body = ChunkedBody(100)
    wire = CHUNKED + b"GET /"
    assert fed(body, [wire[:cut], wire[cut:]]) == (b"wiki0123456789", b"GET /")
    assert body.complete


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(0, 400), max_size=8))
def test_any_content_survives_any_cuts(chunks: list[bytes], cuts: list[int]) -> None:
    """What was put into chunks comes out, and nothing of what follows."""
    wire = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\nNEXT"
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    pieces = [wire[a:b] for a, b in zip(edges, edges[1:])]  # noqa: RUF007
    assert fed(ChunkedBody(100), pieces) == (b"".join(chunks), b"NEXT")


@pytest.mark.parametrize(
    "wire",
    [
        b"ZZ\r\n",
        b"\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\r\na\rb\n",
        b"1 x\r\n",
        b"1;\x00\r\n",
        b"1" * 16 + b"\r\n",
        b"1;" + b"x" * 100,
        b"0\r\n" + b"T: x\r\n" * 17,
    ],
)
def test_what_is_badly_framed_is_413(wire: bytes) -> None:
    """As recorded (060); bare LF, signs, and lines or trailers without an end too."""
    with pytest.raises(HttpError) as caught:
        ChunkedBody(100).feed(wire)
    assert caught.value.status == 413
