"""JSON, strict and quick: no NaN, no Infinity, nothing after the value. Encoder and scanner are built once.

They are made straight from `_json`, the C half of the standard library's json: the Python half, with `re` and `enum`,
weighs a megabyte in every process, and JSONEncoder.encode() builds its encoder anew for every call, at twice the price
of a small dict. A Python without `_json`, or with another one than we know, gets the ordinary way.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Encode = Callable[[Any], bytes]
    Decode = Callable[[bytes], Any]

# What encode() and decode() raise. A circular or very deep value ends in RecursionError.
ENCODE_ERRORS = (TypeError, ValueError, RecursionError)
DECODE_ERRORS = (ValueError, RecursionError)


def _refuse_type(value: object) -> object:
    raise TypeError(f"JSON cannot say {type(value).__name__}")


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


class _Reading:
    """What the scanner asks its owner for; the names are json.JSONDecoder's."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)


def _encode_slowly(value: Any) -> bytes:
    from json import dumps

    return dumps(value, allow_nan=False, separators=(",", ":"), default=_refuse_type).encode()


def _decode_slowly(body: bytes) -> Any:
    from json import loads

    return loads(str(body, "utf-8"), parse_constant=_refuse_constant)


def _make_encode(c: Any) -> Encode:
    chunks = c.make_encoder(None, _refuse_type, c.encode_basestring_ascii, None, ":", ",", False, False, False)
    join = "".join

    def encode(value: Any) -> bytes:
        return join(chunks(value, 0)).encode()

    return encode


def _make_decode(c: Any) -> Decode:
    scan = c.make_scanner(_Reading)

    def decode(body: bytes) -> Any:
        text = str(body, "utf-8")
        try:
            value, end = scan(text, 0)
            if end == len(text):
                return value
        except StopIteration:
            pass
        return _decode_slowly(body)  # white space around the value; or its error says where

    return decode


def _choose() -> tuple[Encode, Decode]:
    value = {"a": [1.5, "\u00e9", None, True]}
    text = b'{"a":[1.5,"\\u00e9",null,true]}'
    try:
        import _json  # type: ignore[import-not-found, unused-ignore]

        encode, decode = _make_encode(_json), _make_decode(_json)
        if encode(value) == text and decode(text) == value:
            return encode, decode
    except (ImportError, AttributeError, TypeError):
        pass
    return _encode_slowly, _decode_slowly


encode, decode = _choose()
