"""Names, sizes, ranges, settings and results of objects. Pure: for the main loop and for workers."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
STAGE = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{16}\.tmp", re.ASCII)
ROTTEN = re.compile(r"[0-9a-f]{64}\.rotten", re.ASCII)
RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.ASCII | re.IGNORECASE)


def valid_name(name: str) -> bool:
    """True for 64 characters of `0-9a-f`, and nothing else: no such text can leave the store's directory."""
    return NAME.fullmatch(name) is not None


def stage_name(sha: str, token: int) -> str:
    """Where an upload is written until it is verified. 85 characters, so that Pantavisor's listing hides it.

    `token` (64 bits) is a writer's own: two writers never share a stage.
    """
    return f"{sha}.{token & 0xFFFFFFFFFFFFFFFF:016x}.tmp"


def rotten_name(sha: str) -> str:
    """Where an object goes whose content is no longer what its name says. 71 characters, hidden as a stage is."""
    return f"{sha}.rotten"


def is_stage(name: str) -> bool:
    """True for a name that `stage_name` makes: at start such a file is what a crash left behind."""
    return STAGE.fullmatch(name) is not None


def is_rotten(name: str) -> bool:
    """True for a name that `rotten_name` makes."""
    return ROTTEN.fullmatch(name) is not None


def etag(sha: str) -> str:
    """The strong entity tag of an object: its name, quoted. Content under one name never changes."""
    return f'"{sha}"'


class ObjectInfo(NamedTuple):
    """An object as the listing shows it; `size` in bytes."""

    sha256: str
    size: int


class ObjectSettings(NamedTuple):
    """What an integrator may set; the names are the keys of `[objects]`.

    `reserved_percent` of the file system stays free; `max_size` bytes an object (0: as the space allows); `min_rate`
    bytes a second over `stall_timeout` seconds of waiting for the client; `transfer_timeout` seconds a task;
    `queue_timeout` seconds in the queue; `line` PUTs that wait for one name; `lane_limit` transfers at once (0: one
    less than there are workers); `drain_limit` bytes read and dropped so that a client gets to read an error.
    """

    reserved_percent: int = 5
    max_size: int = 0
    min_rate: int = 1024
    stall_timeout: float = 30.0
    transfer_timeout: float = 4 * 3600.0
    queue_timeout: float = 120.0
    line: int = 64
    lane_limit: int = 0
    drain_limit: int = 1 << 30
    verify_at_start: bool = False


class Span(NamedTuple):
    """The part of an object that a GET sends: `start` and `length` in bytes, `partial` if it is answered with 206."""

    start: int
    length: int
    partial: bool


def parse_range(header: str | None, size: int) -> Span | None:
    """The span that a `Range` header asks of an object of `size` bytes; None if it cannot be satisfied (416).

    RFC 9110, 14.2: a unit or a syntax that we do not know is ignored, and so is more than one range: the whole is sent.
    """
    found = RANGE.fullmatch(header) if header is not None else None
    if found is None or found.groups() == ("", ""):
        return Span(0, size, False)
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        return Span(size - length, length, True) if length else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return Span(0, size, False)
    return Span(start, end - start + 1, True) if start < size else None


def wanted_range(range_header: str | None, if_range: str | None, sha: str) -> str | None:
    """The `Range` that counts: none if `If-Range` names anything but this object (a date, a weak tag, another tag)."""
    return range_header if if_range is None or if_range.strip() == etag(sha) else None


class PutResult(NamedTuple):
    """How a PUT is answered. `status` 0: by closing alone. `error` is the text for people and old clients.

    `code` and `hint` are None where Pantavisor has an answer of its own. `reusable`: the body was read to its end, the
    next request may follow on this connection. `retry_after` in seconds, or None.
    """

    status: int
    error: str | None = None
    reusable: bool = False
    code: str | None = None
    hint: str | None = None
    retry_after: int | None = None


class GetResult(NamedTuple):
    """How a GET ended. `status` 0: the worker has answered, or nobody may. Else nothing was sent yet: answer so."""

    status: int
    error: str | None = None
    reusable: bool = False
    code: str | None = None
    hint: str | None = None
    retry_after: int | None = None


class VerifyResult(NamedTuple):
    """What a verification found: objects read, and those that were rotten and went into quarantine.

    `failed` are objects that could not be read (name and reason); they stay where they are.
    """

    checked: int
    rotten: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]


BAD_NAME = "Request has bad object name"
BAD_CHECKSUM = "Object has bad checksum"
NO_SPACE = "Not enough disk space available"
UPLOAD_ERROR = "Upload error"
RETRY_SECONDS = 5
