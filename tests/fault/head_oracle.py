"""The same head, read by us and by h11, and the table that explains every difference between the two."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import h11

from pvsched.control.head import HttpError, find_end, stray_lines
from pvsched.control.http import parse_head

LIMIT = 16384
FRAMING = ("content-length", "transfer-encoding", "upgrade")


class Reading(NamedTuple):
    """`kind`: "request", "refused" or "unfinished"; for a request what it says:
    method, target, version, body, fields.
    """

    kind: str
    said: tuple[object, ...] = ()


def ours(raw: bytes) -> Reading:
    """What pvsched makes of `raw`."""
    try:
        raw = raw[stray_lines(raw) :]
        end = find_end(raw, LIMIT)
        if not end:
            return Reading("unfinished")
        request = parse_head(raw[:end])
    except HttpError:
        return Reading("refused")
    body: object = request.body.length if request.body.kind == "length" else request.body.kind
    fields = {name: value for name, value in request.headers.items() if name != "connection"}
    return Reading("request", (request.method, request.target, request.version, body, fields))


def theirs(raw: bytes) -> Reading:
    """What h11 makes of it."""
    if not raw:  # to h11 the end of the stream
        return Reading("unfinished")
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LIMIT)
    connection.receive_data(raw)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return Reading("refused")
    if event is h11.NEED_DATA:
        return Reading("unfinished")
    assert isinstance(event, h11.Request), (event, raw)
    fields: dict[str, str] = {}
    body: object = "none"
    for name, value in event.headers:
        key = name.decode()
        if key == "content-length" and body == "none":
            body = int(value)
        elif key == "transfer-encoding":
            body = "chunked"
        elif key not in (*FRAMING, "connection"):
            fields.setdefault(key, value.decode("latin-1"))
    version = tuple(int(part) for part in event.http_version.decode().split("."))
    target = event.target.decode()
    if target.startswith("http://"):  # brought to origin form by us, left to the application by h11
        target = "/" + target.partition("//")[2].partition("/")[2]
    return Reading("request", (event.method.decode(), target, version, body, fields))


def has(pattern: bytes) -> Callable[[bytes], bool]:
    """Whether a head contains `pattern`, in any case."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda raw: compiled.search(raw) is not None


def count(name: bytes) -> Callable[[bytes], int]:
    """How often a field of that name begins a line."""
    compiled = re.compile(rb"\n" + name + rb":", re.IGNORECASE)
    return lambda raw: len(compiled.findall(raw))


_LENGTHS, _CODINGS, _HOSTS = count(b"content-length"), count(b"transfer-encoding"), count(b"host")
_LINE = re.compile(rb"[A-Z]+ [\x21-\x7e]+ HTTP/1\.[01]\r\n")
_SERVED = (b"GET ", b"PUT ", b"POST ", b"DELETE ", b"HEAD ")


class Rule(NamedTuple):
    """One difference: what it is and why, who takes the head, and how to tell it."""

    why: str
    ours: str
    theirs: str
    applies: Callable[[bytes], bool]


def head_of(raw: bytes) -> bytes:
    """Without what follows the head, which explains nothing."""
    end = raw.find(b"\r\n\r\n", len(raw) - len(stripped(raw)))
    return raw if end < 0 else raw[: end + 4]


def stripped(raw: bytes) -> bytes:
    """Without stray lines."""
    return raw.lstrip(b"\r\n")


AGAINST = ("refused", "request")
AT_ONCE = ("refused", "unfinished")
# More lenient than h11, for a client that exists (spec 2.3), or later because nothing is lost by waiting.
LENIENT = (
    Rule("pvtx sends stray CRLFs", "request", "refused", lambda raw: raw.startswith(b"\r\n")),
    Rule("pvtx sends stray CRLFs", "unfinished", "refused", lambda raw: raw.startswith(b"\r\n")),
    Rule("pvcurl repeats Content-Length: the first wins", "request", "refused", lambda raw: _LENGTHS(raw) > 1),
    Rule("curl -T: identity beside a length", "request", "refused", has(rb"\ntransfer-encoding:[ \t]*identity")),
    Rule("no Host in HTTP/1.1 is served, as recorded (032)", "request", "refused", lambda raw: _HOSTS(raw) == 0),
    Rule("an unfinished line is not judged yet", "unfinished", "refused", lambda raw: b"\r\n" not in raw),
)
_EXPECT = rb"\nexpect:[ \t]*(?!100-continue[ \t]*\r)"
_LONG = re.compile(rb"\ncontent-length:[ \t]*([0-9]{19,})", re.IGNORECASE)
_FOREIGN = re.compile(rb"\n[Hh][Oo][Ss][Tt]:[ \t]*(?!(?:localhost)?(?::[0-9]*)?[ \t]*\r)")
_NO_PATH = rb"^(?:\r\n)*\S+ (?:[^/h\s]|//|h(?!ttp://localhost))"
# Stricter than h11: the name, and how to tell it. `AT_ONCE` where h11 still waits for the end of the head.
STRICT = (
    Rule("methods that are not served: 501", *AGAINST, lambda raw: not stripped(raw).startswith(_SERVED)),
    Rule("methods are refused at their line's end", *AT_ONCE, lambda raw: not raw.startswith(_SERVED)),
    Rule("versions but 1.0 and 1.1", *AGAINST, lambda raw: not has(rb"^[^\n]* HTTP/1\.[01]\r?\n")(raw)),
    Rule("a bad line is refused at its end", *AT_ONCE, lambda raw: not _LINE.match(stripped(raw))),
    Rule("bare LF ends no line", *AGAINST, has(rb"(?<!\r)\n")),
    Rule("bare LF ends no line", *AT_ONCE, has(rb"(?<!\r)\n")),
    Rule("folded lines", *AGAINST, has(rb"\n[ \t]+")),
    Rule("control characters in a value", *AGAINST, has(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")),
    Rule("Upgrade", *AGAINST, has(rb"\nupgrade:")),
    Rule("an expectation but 100-continue: 417", *AGAINST, has(_EXPECT)),
    Rule("a foreign Host", *AGAINST, lambda raw: _FOREIGN.search(raw) is not None),
    Rule("a target that is no path here", *AGAINST, has(_NO_PATH)),
    Rule("chunked with a length", *AGAINST, lambda raw: _LENGTHS(raw) > 0 and _CODINGS(raw) > 0),
    Rule("chunked in HTTP/1.0", *AGAINST, lambda raw: b" HTTP/1.0" in raw and _CODINGS(raw) > 0),
    Rule("a list of lengths", *AGAINST, has(rb"\ncontent-length:[ \t]*[0-9]+,")),
    Rule("a length over 2^63", *AGAINST, lambda raw: any(int(digits) >= 1 << 63 for digits in _LONG.findall(raw))),
)
TABLE = (*LENIENT, *STRICT)


def difference(raw: bytes) -> Rule | str | None:
    """None: no difference; a rule that explains it; or the text of one that nothing explains."""
    mine, other = ours(raw), theirs(raw)
    if mine == other:
        return None
    seen = head_of(raw)
    for rule in TABLE:
        if (rule.ours, rule.theirs) == (mine.kind, other.kind) and rule.applies(seen):
            return rule
    return f"{raw!r}\n  ours:   {mine}\n  theirs: {other}"
