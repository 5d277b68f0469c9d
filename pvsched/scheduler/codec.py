"""JSON, strict and quick: no NaN, no Infinity, nothing after the value. Encoder and scanner are built once."""

from __future__ import annotations

import json.decoder
import json.encoder
import json.scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What encode() and decode() raise. A circular or very deep value ends in RecursionError.
ENCODE_ERRORS = (TypeError, ValueError, RecursionError)
DECODE_ERRORS = (ValueError, RecursionError)


def _refuse_type(value: object) -> object:
    raise TypeError(f"JSON cannot say {type(value).__name__}")


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


_decoder = json.decoder.JSONDecoder(parse_constant=_refuse_constant)
_scan: Callable[[str, int], tuple[Any, int]] = json.scanner.make_scanner(_decoder)  # type: ignore[arg-type]


def _make_encode() -> Callable[[Any], bytes]:
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    quote: Any = getattr(json.encoder, "encode_basestring_ascii", None)
    join = "".join
    if make is not None:
        # JSONEncoder.encode() builds this object anew for every call, at twice the price of a small dict
        chunks = make(None, _refuse_type, quote, None, ":", ",", False, False, False)

        def encode(value: Any) -> bytes:
            return join(chunks(value, 0)).encode()

        try:
            if encode({"a": [1.5, "\u00e9", None, True]}) == b'{"a":[1.5,"\\u00e9",null,true]}':
                return encode
        except TypeError:  # another signature in some later Python
            pass
    slow = json.encoder.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_refuse_type)
    return lambda value: slow.encode(value).encode()


encode = _make_encode()


def decode(body: bytes) -> Any:
    """Return the value that `body` says in UTF-8, possibly with white space around it. Raises DECODE_ERRORS."""
    text = str(body, "utf-8")
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except StopIteration:
        pass
    return _decoder.decode(text)  # white space around the value; or its error says where
