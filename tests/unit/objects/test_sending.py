"""GET, over real sockets."""

from __future__ import annotations

import email.utils
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from pvsched.objects import tasks
from pvsched.objects.model import Span
from pvsched.objects.sending import head_of, http_date
from tests.unit.objects.lent import EMPTY, FakeContext, get_data, opened, sha_of, waiting

CONTENT = os.urandom(1_500_000)
SHA = sha_of(CONTENT)


def get(
    directory: Path, sha: str, leave_after: int | None = None, **changes: Any
) -> tuple[dict[str, Any], bytes, bytes]:
    """Runs one `send_object` over a real socket; returns its result, the head and the body as the client got them."""
    peer, lent = socket.socketpair()
    received = bytearray()

    def receive() -> None:
        while part := peer.recv(65536):
            received.extend(part)
            if leave_after is not None and len(received) > leave_after:
                peer.close()
                return

    with peer, lent, opened(directory) as store:
        lent.setblocking(False)
        reader = threading.Thread(target=receive)
        reader.start()
        result = tasks.send_object(get_data(sha, **changes), FakeContext(store=store, client=lent.fileno()))
        lent.shutdown(socket.SHUT_WR)
        reader.join()
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    return result, head, body


def headers_of(head: bytes) -> list[str]:
    """The head's lines without the date's value."""
    return [line.split(" ")[0] if line.startswith("Date") else line for line in head.decode().split("\r\n")]


def test_an_object_is_sent_whole(store: Path) -> None:
    """Length, type as recorded, tag and body."""
    (store / SHA).write_bytes(CONTENT)
    result, head, body = get(store, SHA)
    assert result == {"result": "sent", "size": len(CONTENT), "sent": len(CONTENT), "reusable": True}
    assert headers_of(head) == [
        "HTTP/1.1 200 OK",
        "content-type: application/octet-stream",
        "Accept-Ranges: bytes",
        f'ETag: "{SHA}"',
        "Date:",
        f"Content-Length: {len(CONTENT)}",
    ]
    assert body == CONTENT


def test_a_range_is_sent_as_206(store: Path) -> None:
    """The part asked for, and where it stands in the whole."""
    (store / SHA).write_bytes(CONTENT)
    result, head, body = get(store, SHA, range="bytes=1000000-1400000", keep_alive=False)
    assert (result["sent"], result["reusable"]) == (400_001, False)
    assert headers_of(head)[0] == "HTTP/1.1 206 Partial Content"
    assert f"Content-Range: bytes 1000000-1400000/{len(CONTENT)}" in headers_of(head)
    assert headers_of(head)[-2:] == ["Content-Length: 400001", "Connection: close"]
    assert body == CONTENT[1000000:1400001]


def test_a_range_beyond_the_end_is_416_with_the_size(store: Path) -> None:
    """The client learns how long the object is, and the connection can be used again."""
    (store / SHA).write_bytes(CONTENT)
    result, head, body = get(store, SHA, range=f"bytes={len(CONTENT)}-")
    assert headers_of(head) == [
        "HTTP/1.1 416 Range Not Satisfiable",
        f"Content-Range: bytes */{len(CONTENT)}",
        "Date:",
        "Content-Length: 0",
    ]
    assert (body, result["result"], result["reusable"]) == (b"", "sent", True)


def test_the_empty_object_is_sent(store: Path) -> None:
    """Length 0, no body."""
    (store / EMPTY).write_bytes(b"")
    _, head, body = get(store, EMPTY, version=[1, 0], keep_alive=False)
    assert headers_of(head)[0] == "HTTP/1.0 200 OK"
    assert (headers_of(head)[-1], body) == ("Content-Length: 0", b"")


@pytest.mark.parametrize(
    ("version", "keep_alive", "line"),
    [((1, 1), True, None), ((1, 1), False, "close"), ((1, 0), False, None), ((1, 0), True, "keep-alive")],
)
def test_the_connection_header_says_only_what_is_not_the_rule(
    version: tuple[int, int], keep_alive: bool, line: str | None
) -> None:
    """1.1 stays open and 1.0 closes unless it is said otherwise."""
    head = head_of(SHA, 1, Span(0, 1, False), {"version": version, "keep_alive": keep_alive}, 0.0).decode()
    assert ("Connection" in head) == (line is not None)
    assert line is None or f"Connection: {line}\r\n\r\n" in head


@pytest.mark.parametrize("kind", ["absent", "link", "directory", "bad name"])
def test_what_is_no_object_is_missing_and_nothing_is_sent(store: Path, kind: str) -> None:
    """The main loop then gives the answer."""
    if kind == "link":
        (store / SHA).symlink_to("/etc/hostname")
    elif kind == "directory":
        (store / SHA).mkdir()
    result, head, _ = get(store, "../etc/hostname" if kind == "bad name" else SHA)
    assert (result, head) == ({"result": "missing"}, b"")


def test_a_disk_that_cannot_open_is_told_before_anything_is_sent(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk is no missing object."""

    def failing(*_: Any, **__: Any) -> int:
        raise OSError(5, "Input/output error")

    peer, lent = socket.socketpair()
    with peer, lent, opened(store) as fd:
        monkeypatch.setattr(os, "open", failing)
        result = tasks.send_object(get_data(SHA), FakeContext(store=fd, client=lent.fileno()))
        monkeypatch.undo()
        assert (result["result"], waiting(peer)) == ("unreadable", b"")


def test_a_client_that_leaves_ends_the_transfer(store: Path) -> None:
    """The connection is not used again, and the worker is free."""
    (store / SHA).write_bytes(CONTENT)
    result, _, _ = get(store, SHA, leave_after=100_000)
    assert (result["result"], result["reusable"]) == ("cut-short", False)


def test_a_date_is_spelled_as_http_wants_it() -> None:
    """Whatever the locale."""
    for moment in (0.0, 951782400.0, 1763752730.9, 2147483647.0):
        assert http_date(moment) == email.utils.formatdate(int(moment), usegmt=True)
