"""Request heads before any parser sees them; pure, no I/O.

Three jobs, and this is the only room that does them: find where a head ends, refuse what is not plainly HTTP/1.0 or
1.1, and put right the few oddities of the real shell clients (docs/adr/0003). What goes on to httptools is a head in
which every line was checked and no line speaks of a body: llhttp would otherwise frame bodies itself, by rules that
admit smuggling and that differ between its versions.
"""

from __future__ import annotations

import re

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE"))
# pvtx ends its GETs with one CRLF too many. RFC 9112 2.2 asks for "at least one"; a stream of them is an attack.
STRAY_LINES = 4
LENGTH_LIMIT = 2**63 - 1

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
# Whole lines of name, colon, value. No folded line, no space before the colon, no control character but the tab.
_FIELDS = re.compile(rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
_FRAMING = re.compile(rb"\r\n(?:content-length|transfer-encoding|upgrade):", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,30}")


class HttpError(Exception):
    """A request that ends its connection with `status`.

    With a `code` it is one of ours (`text`, `code`, `hint` in the body); without, it gets the page that Pantavisor
    sends for everything its parser refuses.
    """

    def __init__(self, status: int, text: str = "", code: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text
        self.code = code
        self.hint = hint


class Head:
    """A head that was checked. `wire` is what httptools may see: the request line and the fields that frame no body."""

    __slots__ = ("chunked", "length", "method", "target", "version", "wire")

    def __init__(self, method: str, target: str, version: tuple[int, int], wire: bytes) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.wire = wire
        self.length: int | None = None
        self.chunked = False


def stray_lines(buffer: bytes | bytearray, before: int = 0) -> int:
    """How many bytes of empty lines stand before the head in `buffer`. With the `before` that were there earlier, more
    lines than STRAY_LINES are 400.
    """
    end = 0
    while buffer[end : end + 2] == b"\r\n":
        end += 2
    if before + end // 2 > STRAY_LINES:
        raise HttpError(400)
    return end


def find_end(buffer: bytes | bytearray, limit: int) -> int:
    """The length of the head that `buffer` starts with, its empty line included; 0 while it has not arrived.

    `buffer` has no stray lines in front. What is wrong is refused as early as it shows, and in the order of the bytes,
    so the answer does not depend on how the head was cut into packets. Raises HttpError.
    """
    end = buffer.find(b"\r\n\r\n", 0, limit)
    if end >= 0:
        return end + 4
    window = buffer if len(buffer) <= limit else buffer[:limit]
    line = window.find(b"\r\n")
    if line >= 0:
        _request_line(bytes(window[:line]))
    if window.count(b"\n") != window.count(b"\r\n"):
        raise HttpError(400)
    if len(buffer) >= limit:
        hint = f"send a request head of at most {limit} bytes"
        raise HttpError(431, "Request head is too large", "head-too-large", hint)
    return 0


def read_head(raw: bytes) -> Head:
    """Check the whole head `raw` (as `find_end` cut it), and take out what frames the body. Raises HttpError."""
    line = raw.index(b"\r\n")
    method, target, version = _request_line(raw[:line])
    if _FIELDS.fullmatch(raw, line + 2) is None:
        raise HttpError(400)
    head = Head(method, target, version, raw)
    if _FRAMING.search(raw, line) is not None:
        _take_framing(head, raw)
    return head


def _request_line(line: bytes) -> tuple[str, str, tuple[int, int]]:
    """Method, target and version. 400 for what is no request of HTTP/1.0 or 1.1, 501 for a method not served."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise HttpError(400)
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in (b"0", b"1") or method == b"CONNECT":
        raise HttpError(400)
    name = method.decode("ascii")
    if name not in METHODS:
        raise HttpError(501)
    return name, target.decode("ascii"), (1, 1 if minor == b"1" else 0)


def _take_framing(head: Head, raw: bytes) -> None:
    """Read Content-Length and Transfer-Encoding out of `raw` into `head`; Upgrade is refused."""
    lengths: list[bytes] = []
    codings: list[bytes] = []
    kept: list[bytes] = []
    for line in raw.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name == b"content-length":
            lengths.append(value.strip(b" \t"))
        elif name == b"transfer-encoding":
            codings.append(value.strip(b" \t").lower())
        elif name == b"upgrade":
            raise HttpError(400)
        else:
            kept.append(line)
    head.wire = b"\r\n".join(kept)
    head.length = _first_length(lengths)
    head.chunked = _is_chunked(codings, head)


def _first_length(lengths: list[bytes]) -> int | None:
    """The first Content-Length: pvcurl sends the right one first, and then one that `stat` made of a pipe, 0 or
    empty.
    """
    if not lengths:
        return None
    if any(value and not _DIGITS.fullmatch(value) for value in lengths) or not lengths[0]:
        raise HttpError(400)
    length = int(lengths[0])
    if length > LENGTH_LIMIT:
        raise HttpError(400)
    return length


def _is_chunked(codings: list[bytes], head: Head) -> bool:
    """True for `chunked` and nothing beside it.
    `identity` beside a length is curl's upload from pvcontrol, and is ignored.
    """
    if not codings:
        return False
    if codings == [b"identity"] and head.length is not None:
        return False
    if codings != [b"chunked"] or head.length is not None or head.version == (1, 0):
        raise HttpError(400)
    return True
