"""Chunk framing, as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvsched.objects.chunked import BadChunk, ChunkLines
from tests.unit.objects.lent import chunked


def decode(wire: bytes, step: int) -> tuple[bytes, int]:
    """Decodes a body that arrives `step` bytes at a time; returns the content and how many bytes were taken."""
    lines, content, position, size = ChunkLines(), b"", 0, 0
    while lines.state != "done":
        seen = wire[position : position + step]
        assert seen, "wants more than there is"
        if size:
            part = seen[:size]
            content += part
            size -= len(part)
            position += len(part)
            if not size:
                lines.data_is_over()
            continue
        wanted = lines.wanted(seen)
        size = lines.feed(seen[:wanted])
        position += wanted
    return content, position


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.integers(1, 50), st.binary(max_size=20))
def test_content_does_not_depend_on_how_it_arrives_and_nothing_behind_is_taken(
    parts: list[bytes], step: int, behind: bytes
) -> None:
    """Any split gives the content, and exactly the body's bytes are used."""
    body = chunked(*parts)
    assert decode(body + behind, step) == (b"".join(parts), len(body))


def test_extensions_and_trailers_are_read_and_ignored() -> None:
    """What RFC 9112 allows beside the size is no content."""
    wire = b"3;name=value;x\r\nabc\r\n0 ;y\r\nTrailer: z\r\nOther: w\r\n\r\n"
    for step in range(1, len(wire) + 1):
        assert decode(wire, step) == (b"abc", len(wire))


@pytest.mark.parametrize(
    "wire",
    [
        b"ZZ\r\n",
        b"\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x3\r\n",
        b" 3\r\n",
        b"3\n",
        b"1_0\r\n",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n",
        b"fffffffffffffffff\r\n",
        b"3;a\0b\r\n",
        b"3;a\rb\r\n",
        b"0\r\nTrailer\n",
        b"3;" + b"x" * 2000,
        b"0\r\n" + b"Trailer: 0123456789\r\n" * 1000,
    ],
)
def test_broken_framing_is_refused(wire: bytes) -> None:
    """Signs, spaces, bare LF, control characters, endless lines and wrong sizes end the body at once."""
    for step in (1, 7, len(wire)):
        with pytest.raises(BadChunk):
            decode(wire, step)
