"""The heads of replies, in the order and with the words that Pantavisor was recorded with; pure but for the date."""

from __future__ import annotations

import time
from collections.abc import Sequence

REASONS = {
    200: "OK",
    202: "Accepted",
    204: "No Content",
    206: "Partial Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    413: "Request Entity Too Large",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}
UNSUPPORTED = b'{"Error": "Unsupported protocol"}'
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OWN_SPELLING = ("application/json", "text/html")

_date_at = -1
_date_text = ""


def date_line(now: float | None = None) -> str:
    """The Date of a reply; made once a second. Not strftime: a locale must not reach the wire."""
    global _date_at, _date_text
    second = int(time.time() if now is None else now)
    if second != _date_at:
        t = time.gmtime(second)
        day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
        clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
        _date_text = f"Date: {day}, {t.tm_mday:02} {month} {t.tm_year} {clock} GMT\r\n"
        _date_at = second
    return _date_text


def render(
    status: int,
    body: bytes,
    content_type: str,
    headers: Sequence[tuple[str, str]] = (),
    *,
    version: tuple[int, int] = (1, 1),
    method: str = "GET",
    keep_alive: bool = True,
    close_asked: bool = False,
) -> bytes:
    """A whole reply. `keep_alive`: the connection goes on after it; `close_asked`: the client itself said close.

    HTTP/1.0 has no Date, and a Content-Length only with keep-alive. HEAD and 204 have neither body nor length.
    """
    bare = method == "HEAD" or status == 204
    # The recorded device spells the field this way wherever the body is neither JSON nor an error page.
    field = "Content-Type" if content_type in _OWN_SPELLING else "content-type"
    modern = version == (1, 1)
    lines = f"HTTP/1.{version[1]} {status} {REASONS.get(status, 'Unknown')}\r\n{field}: {content_type}\r\n"
    for name, value in headers:
        lines += f"{name}: {value}\r\n"
    if modern:
        if not keep_alive and not close_asked:
            lines += "Connection: close\r\n"
        lines += date_line()
    elif keep_alive:
        lines += "Connection: keep-alive\r\n"
    if (modern or keep_alive) and not bare:
        lines += f"Content-Length: {len(body)}\r\n"
    if close_asked:
        lines += "Connection: close\r\n"
    head = (lines + "\r\n").encode("latin-1", "replace")
    return head if bare else head + body


def stream_head(content_type: str, version: tuple[int, int]) -> bytes:
    """The head of a body that ends with the connection."""
    date = date_line() if version == (1, 1) else ""
    lines = f"HTTP/1.{version[1]} 200 OK\r\ncontent-type: {content_type}\r\nCache-Control: no-cache\r\n"
    return f"{lines}Connection: close\r\n{date}\r\n".encode("latin-1", "replace")
