"""From a checked head to a `Request`; pure, no I/O. httptools splits the fields, and decides nothing."""

from __future__ import annotations

import re

import httptools

from pvsched.control.head import Head, HttpError, read_head

__all__ = ["Body", "HttpError", "Request", "parse_head"]

_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(r"[Hh][Tt][Tt][Pp]://([^/?#]*)")
_HOST = re.compile(r"(?:localhost)?(?::[0-9]*)?")


class Body:
    """How the body is framed: `kind` is "none", "length" (then `length` bytes) or "chunked"."""

    __slots__ = ("kind", "length")

    def __init__(self, kind: str, length: int | None = None) -> None:
        self.kind = kind
        self.length = length


NO_BODY = Body("none")
CHUNKED = Body("chunked")


class Request:
    """One request; handlers only read it, because requests without a body and with the same head may be one object.

    `headers`: lower-case names, the first of equal ones; the fields that frame the body are not in it.

    `target` is what the client sent (origin form), `path` its part before `?`, percent-decoded; `query` its rest.
    """

    __slots__ = (
        "body",
        "close_asked",
        "data",
        "expect_continue",
        "headers",
        "keep_alive",
        "method",
        "path",
        "query",
        "target",
        "version",
    )

    def __init__(self, head: Head) -> None:
        self.method = head.method
        self.target = head.target
        self.version = head.version
        self.headers: dict[str, str] = {}
        self.body = _body(head)
        self.path = head.target
        self.query: dict[str, str] = {}
        self.keep_alive = False
        self.close_asked = False  # the client said "Connection: close"; the reply repeats it, as recorded
        self.expect_continue = False
        self.data = b""


class _Fields:
    """Collects what httptools finds. It sees heads that were checked, so there is nothing here to refuse."""

    __slots__ = ("complete", "headers", "hosts")

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.hosts = 0
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("ascii").lower()
        if key == "host":
            self.hosts += 1
        elif key == "connection" and key in self.headers:
            self.headers[key] += "," + value.decode("latin-1")
        self.headers.setdefault(key, value.decode("latin-1").strip(" \t"))

    def on_message_complete(self) -> None:
        self.complete = True


def parse_head(raw: bytes) -> Request:
    """The request whose head is `raw`, cut by `head.find_end`. Raises HttpError for what is not served."""
    head = read_head(raw)
    request = Request(head)
    fields = _Fields(request.headers)
    try:
        httptools.HttpRequestParser(fields).feed_data(head.wire)
    except httptools.HttpParserError as error:
        raise HttpError(400) from error
    if not fields.complete or fields.hosts > 1:
        raise HttpError(400)
    _settle_target(request)
    _settle_connection(request)
    if "expect" in request.headers and request.version == (1, 1):
        if request.headers["expect"].lower() != "100-continue":
            raise HttpError(417)
        request.expect_continue = request.body is not NO_BODY and request.body.length != 0
    return request


def parser_is_sound() -> bool:
    """Whether this httptools splits long lines rightly. Some microseconds; any caller.

    One compiled with NEON for a 32-bit processor does not: it refuses every value of more than 16 characters.
    """
    values = {f"x-{length}": "v" * length for length in (8, 16, 17, 33, 70)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    try:
        request = parse_head(f"GET /{'t' * 70} HTTP/1.1\r\n{lines}\r\n".encode())
    except HttpError:
        return False
    return request.headers == values


class HeadMemo:
    """`parse_head` for a server: clients that poll send the same bytes again and again, and parsing has no other input.

    Only heads of requests without a body are kept, up to 1 KiB each and 64 of them; then it starts anew.
    """

    __slots__ = ("_known",)

    HEADS = 64
    HEAD_SIZE = 1024

    def __init__(self) -> None:
        self._known: dict[bytes, Request] = {}

    def parse(self, raw: bytes) -> Request:
        """As `parse_head`."""
        request = self._known.get(raw)
        if request is None:
            request = parse_head(raw)
            if request.body is NO_BODY and len(raw) <= self.HEAD_SIZE:
                if len(self._known) >= self.HEADS:
                    self._known.clear()
                self._known[raw] = request
        return request

    def __len__(self) -> int:
        return len(self._known)


def _body(head: Head) -> Body:
    if head.chunked:
        return CHUNKED
    return NO_BODY if head.length is None else Body("length", head.length)


def _settle_connection(request: Request) -> None:
    """Keep-alive by default in 1.1, on demand in 1.0, and never against "close"."""
    if "connection" not in request.headers:
        request.keep_alive = request.version == (1, 1)
        return
    tokens = [token.strip(" \t").lower() for token in request.headers["connection"].split(",")]
    request.close_asked = "close" in tokens
    request.keep_alive = not request.close_asked and (request.version == (1, 1) or "keep-alive" in tokens)


def _settle_target(request: Request) -> None:
    """Bring the target to origin form, check the host, and split path and query."""
    target = request.target
    host = request.headers.get("host", "")
    absolute = _ABSOLUTE.match(target)
    if absolute is not None:
        host = absolute.group(1)
        target = target[absolute.end() :]
        target = request.target = target if target.startswith("/") else "/" + target
    if _HOST.fullmatch(host) is None:
        raise HttpError(400, "Host is not served here", "bad-host", "send 'Host: localhost', or none")
    if target.startswith("//"):
        raise HttpError(400, "Path starts with two slashes", "bad-path", "send a path with one leading slash")
    if not target.startswith("/"):
        raise HttpError(400)
    path, mark, query = target.partition("?")
    request.path = decoded(path)
    if mark:
        request.query = _query(query)


def decoded(text: str) -> str:
    """`text` with its %XX put right; what is no UTF-8 then is shown as backslash escapes, and so matches no path."""
    if "%" not in text:
        return text
    raw = _PERCENT.sub(lambda match: bytes((int(match.group(1), 16),)), text.encode("ascii"))
    return raw.decode("utf-8", "backslashreplace")


def _query(text: str) -> dict[str, str]:
    """Names and values of a query; the first of equal names wins, as with header fields."""
    found: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if name:
            found.setdefault(decoded(name), decoded(value))
    return found
