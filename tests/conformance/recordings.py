"""The recordings of a real Pantavisor, read back: one file a case, raw bytes of request and answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
_PARTS = re.compile(rb"(.*?)=== REQUEST ===\n(.*?)\n=== RESPONSE ===\n(.*?)\n=== END ===", re.DOTALL)
_BYTES = re.compile(r"request-bytes: (\d+)")


@dataclass(frozen=True)
class Answer:
    """One reply: `headers` in their order and spelling."""

    version: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name, in any spelling."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Recording:
    """One case. Where `elided`, the file holds only the beginning of the request or of the answer."""

    number: int
    name: str
    request: bytes
    response: bytes
    request_bytes: int
    server_closed: bool

    @property
    def elided(self) -> bool:
        """Long bytes were left out of the file."""
        return b"[... ELIDED:" in self.request or b"[... ELIDED:" in self.response

    @property
    def answers(self) -> list[Answer]:
        """What the real device said, all of it."""
        return list(answers(self.response))

    @property
    def first(self) -> Answer:
        """The first thing it said; where it answered twice, the one that counts."""
        return next(answers(self.response))


def recording(number: int) -> Recording:
    """The case of that number."""
    (path,) = GOLDEN.glob(f"{number:03}-*.txt")
    match = _PARTS.fullmatch(path.read_bytes().rstrip(b"\n"))
    assert match is not None, path
    notes = match.group(1).decode()
    length = _BYTES.search(notes)
    assert length is not None, path
    return Recording(
        number, path.stem[4:], match.group(2), match.group(3), int(length.group(1)), "server-closed: True" in notes
    )


def numbers(first: int, last: int) -> list[int]:
    """The cases that are there, of `first` to `last`."""
    return [n for path in sorted(GOLDEN.glob("[0-9]*.txt")) if first <= (n := int(path.name[:3])) <= last]


def answers(data: bytes) -> Iterator[Answer]:
    """All replies in `data`, one after the other; the last may end with the connection. 100 Continue is left out."""
    while data:
        top, _, data = data.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        version, status, reason = first.split(" ", 2)
        headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
        if status == "100":
            continue
        fields = {name.lower(): value for name, value in headers}
        if "chunked" in fields.get("transfer-encoding", ""):
            body, data = dechunked(data)
        elif "content-length" in fields:
            length = int(fields["content-length"])
            body, data = data[:length], data[length:]
        else:
            body, data = data, b""
        yield Answer(version, int(status), reason, headers, body)


def dechunked(data: bytes) -> tuple[bytes, bytes]:
    """(the content of a chunked body, what follows it)."""
    content = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        if size == 0:
            return content, data.partition(b"\r\n")[2]
        content, data = content + data[:size], data[size + 2 :]
