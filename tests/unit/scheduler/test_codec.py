"""JSON as it travels: the quick way and the ordinary way say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvsched.scheduler import codec

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)

WAYS = [(codec.encode, codec.decode), (codec._encode_slowly, codec._decode_slowly)]


@given(VALUES)
def test_what_is_encoded_is_decoded_again(value: Any) -> None:
    """Both ways give bytes that the standard library reads as the same value, and read each other's."""
    for encode, _ in WAYS:
        for _, decode in WAYS:
            assert decode(encode(value)) == value
        assert json.loads(encode(value)) == value


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"[1,]", b"NaN", b"-Infinity", b"[Infinity]", b"1 2", b"{}x", b"\xff", b'"\x01"', b"'a'", b"nul"],
)
@pytest.mark.parametrize("way", [0, 1])
def test_what_is_not_json_is_refused(body: bytes, way: int) -> None:
    """Truncated, trailing, not UTF-8, or one of Python's own extensions."""
    with pytest.raises(codec.DECODE_ERRORS):
        WAYS[way][1](body)


@pytest.mark.parametrize("body", [b" 1", b"1\n", b'\t{"a": [1, 2]} '])
@pytest.mark.parametrize("way", [0, 1])
def test_white_space_around_a_value_is_allowed(body: bytes, way: int) -> None:
    """Programs end their lines."""
    assert WAYS[way][1](body) == json.loads(body)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), [float("inf")], object(), {(1, 2): 3}, b"x"])
@pytest.mark.parametrize("way", [0, 1])
def test_what_json_cannot_say_is_refused(value: Any, way: int) -> None:
    """TypeError or ValueError, never a guess."""
    with pytest.raises(codec.ENCODE_ERRORS):
        WAYS[way][0](value)


def test_depth_is_bounded() -> None:
    """A value nested beyond the interpreter's patience is refused both ways, not a crash."""
    deep: Any = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(codec.ENCODE_ERRORS):
        codec.encode(deep)
    with pytest.raises(codec.DECODE_ERRORS):
        codec.decode(b"[" * 200_000)
    while deep:
        deep = deep[0]
