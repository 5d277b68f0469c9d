"""One GET, in a worker: head and body of an object to the client's socket."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pvsched.objects.client import Client
from pvsched.objects.model import Span, etag, parse_range

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
REASONS = {200: "OK", 206: "Partial Content", 416: "Range Not Satisfiable"}


def http_date(seconds: float) -> str:
    """A moment of the wall clock as HTTP writes it (RFC 9110, 5.6.7); strftime would ask the locale for its names."""
    t = time.gmtime(seconds)
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{DAYS[t.tm_wday]}, {t.tm_mday:02} {MONTHS[t.tm_mon - 1]} {t.tm_year} {clock} GMT"


def head_of(sha: str, size: int, span: Span | None, data: Mapping[str, Any], now: float) -> bytes:
    """The head of the answer to a GET; `span` None says 416. Names and order as the recorded device spells them."""
    status = 416 if span is None else 206 if span.partial else 200
    major, minor = data["version"]
    lines = [f"HTTP/{major}.{minor} {status} {REASONS[status]}"]
    if span is not None:
        lines += ["content-type: application/octet-stream", "Accept-Ranges: bytes", f"ETag: {etag(sha)}"]
    if span is None:
        lines.append(f"Content-Range: bytes */{size}")
    elif span.partial:
        lines.append(f"Content-Range: bytes {span.start}-{span.start + span.length - 1}/{size}")
    lines += [f"Date: {http_date(now)}", f"Content-Length: {span.length if span else 0}"]
    # HTTP/1.1 stays open unless told otherwise, 1.0 closes unless told otherwise: say only what is not the rule
    if data["keep_alive"] != ((major, minor) >= (1, 1)):
        lines.append(f"Connection: {'keep-alive' if data['keep_alive'] else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def send(client: Client, fd: int, size: int, data: Mapping[str, Any], now: float) -> int:
    """Sends the object `fd` of `size` bytes, or the part that was asked for; returns the body's bytes.

    Raises ClientLeft, TooSlow, Cancelled; EOFError or OSError if the file gives less than it promised.
    """
    span = parse_range(data["range"], size)
    client.send(head_of(data["sha256"], size, span, data, now))
    if span is None:
        return 0
    client.send_file(fd, span.start, span.length)
    return span.length
