"""Reliability row C1: whatever happens to a PUT, only verified objects are visible, and nothing else is left."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pvsched.objects import upload
from pvsched.objects.model import stage_name
from pvsched.objects.tasks import store_object
from tests.unit.objects.lent import FakeContext, chunked, files, opened, put, put_data, sha_of

CONTENT = os.urandom(4096)
SHA = sha_of(CONTENT)


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    """The same set of descriptors after as before."""
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store."""
    directory = tmp_path / "objects"
    directory.mkdir()
    return directory


def aborted(directory: int, wire: bytes, data: dict[str, Any], close: bool) -> str:
    """Runs an upload whose client sends `wire`, which fits the socket, and then leaves or shuts down its side."""
    peer, lent = socket.socketpair()
    with peer, lent:
        peer.sendall(wire)
        if close:
            peer.close()
        else:
            peer.shutdown(socket.SHUT_WR)
        result: str = store_object(data, FakeContext(store=directory, client=lent.fileno()))["result"]
        return result


@pytest.mark.parametrize("close", [True, False], ids=["close", "half-close"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_that_is_aborted_at_any_byte_leaves_nothing(store: Path, framing: str, close: bool) -> None:
    """All k of a body of 4 KiB; only the whole body makes an object."""
    wire = CONTENT if framing == "length" else chunked(CONTENT[:1000], CONTENT[1000:])
    data = put_data(SHA, len(CONTENT) if framing == "length" else None)
    with opened(store) as directory:
        for k in range(len(wire)):
            assert aborted(directory, wire[:k], data, close) == "cut-short", k
            assert os.listdir(store) == [], k
        assert aborted(directory, wire, data, close) == "stored"
    assert files(store) == {SHA: CONTENT}


@pytest.mark.parametrize("length", [0, 1, 4095, 4097, 8192])
def test_a_body_of_another_length_makes_no_object(store: Path, length: int) -> None:
    """Shorter or longer than the object: what was announced is read, and it has another hash."""
    body = (CONTENT * 2)[:length]
    for wire, data in ((body, put_data(SHA, length)), (chunked(body) if body else chunked(), put_data(SHA, None))):
        result, _, left = put(store, wire + b"next", data)
        assert (result["result"], result["reusable"], left) == ("bad-hash", True, b"next")
        assert files(store) == {}


@contextmanager
def tmpfs(directory: Path, options: str) -> Iterator[None]:
    """A small file system over `directory`; skips where mounting is not allowed."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"lacks mount: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.mark.root
def test_a_disk_that_is_full_at_any_write_is_one_answer_and_leaves_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body of 40 pages on file systems of 1 to 44 pages: no room at each of its writes in turn, and then success."""
    monkeypatch.setattr(upload, "BUFFER", 4096)
    content = os.urandom(40 * 4096)
    sha, words = sha_of(content), []
    for pages in range(1, 45):
        with tmpfs(store, f"size={pages * 4096}"):
            # chunked, so that the check of the announced length does not foresee it
            wire = chunked(*(content[at : at + 4096] for at in range(0, len(content), 4096)))
            result, _, left = put(store, wire + b"next", put_data(sha, None))
            words.append(result["result"])
            assert (result["reusable"], left) == (True, b"next"), pages
            assert files(store) == ({sha: content} if result["result"] == "stored" else {}), pages
    assert words == ["no-space"] * 39 + ["stored"] * 5


@pytest.mark.root
def test_a_length_that_cannot_fit_is_refused_beforehand(store: Path) -> None:
    """Not a byte is written, and the reserve counts as taken."""
    with tmpfs(store, "size=1M"):
        for length, reserved, word in (
            (1 << 20, 0, "bad-hash"),
            ((1 << 20) + 1, 0, "no-space"),
            (1 << 20, 5, "no-space"),
        ):
            result, _, _ = put(store, b"x" * length, put_data(SHA, length, reserved_percent=reserved))
            assert result["result"] == word


@pytest.mark.root
def test_a_disk_without_inodes_is_full(store: Path) -> None:
    """No room for one more name is no room."""
    with tmpfs(store, "size=1M,nr_inodes=1"):
        result, _, _ = put(store, CONTENT, put_data(SHA, len(CONTENT)))
        assert (result["result"], files(store)) == ("no-space", {})


@pytest.mark.root
def test_a_read_only_disk_is_named(store: Path) -> None:
    """EROFS has an answer of its own, and an object that is there is still there."""
    with tmpfs(store, "size=1M"):
        put(store, CONTENT, put_data(SHA, len(CONTENT)))
        subprocess.run(["mount", "-o", "remount,ro", str(store)], check=True)
        assert put(store, b"x", put_data(sha_of(b"x"), 1))[0]["result"] == "read-only"
        assert put(store, CONTENT, put_data(SHA, len(CONTENT)))[0]["result"] == "present"
        assert files(store) == {SHA: CONTENT}


def test_two_writers_of_one_name_do_not_disturb_each_other(store: Path) -> None:
    """Even if the line let two in, each has a stage of its own and the object is whole."""
    with opened(store) as directory:
        peers = [socket.socketpair() for _ in range(2)]
        (first, lent_first), (second, lent_second) = peers
        data = [put_data(SHA, len(CONTENT), stage=stage_name(SHA, token)) for token in (1, 2)]
        first.sendall(CONTENT[:100])
        child = os.fork()
        if child == 0:
            first.close()
            result = store_object(data[0], FakeContext(store=directory, client=lent_first.fileno()))
            os._exit(0 if result["result"] == "stored" else 1)
        while not (store / data[0]["stage"]).exists():
            os.sched_yield()
        second.sendall(CONTENT)
        assert store_object(data[1], FakeContext(store=directory, client=lent_second.fileno()))["result"] == "stored"
        first.sendall(CONTENT[100:])
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for end in (*peers[0], *peers[1]):
            end.close()
    assert files(store) == {SHA: CONTENT}
