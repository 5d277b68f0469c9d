"""A double of httptools 0.7.1 as NEON spoils it on 32-bit ARM: a value of more than 16 characters is refused.

A double, because that fault needs such a processor and such a build; seen for real in the packages of wrynose.
"""

from __future__ import annotations

import re
from typing import Any

import httptools

GENUINE = httptools.HttpRequestParser


class Refusing:
    """As the genuine parser, but for what NEON spoils."""

    def __init__(self, protocol: Any) -> None:
        self._genuine = GENUINE(protocol)

    def feed_data(self, data: bytes) -> None:
        if re.search(rb": [^\r]{17}", data):
            raise httptools.HttpParserInvalidMethodError("Invalid header value char")
        self._genuine.feed_data(data)
