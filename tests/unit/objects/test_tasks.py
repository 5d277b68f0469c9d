"""What runs in a worker, over real sockets and a real directory."""

from __future__ import annotations

import errno
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from pvsched.objects import store as store_module
from pvsched.objects import tasks, upload
from pvsched.objects.model import rotten_name, stage_name
from tests.unit.objects.lent import (
    EMPTY,
    FakeContext,
    chunked,
    files,
    opened,
    put,
    put_data,
    sha_of,
)

CONTENT = os.urandom(700_001)
SHA = sha_of(CONTENT)
NEXT = b"GET /next HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    ("wire", "length"),
    [(CONTENT, len(CONTENT)), (chunked(CONTENT[:5], CONTENT[5:300_000], CONTENT[300_000:]), None)],
    ids=["plain", "chunked"],
)
def test_an_object_is_stored_and_the_next_request_stays(store: Path, wire: bytes, length: int | None) -> None:
    """The store holds exactly the object; what follows the body in the socket is untouched."""
    result, sent, left = put(store, wire + NEXT, put_data(SHA, length))
    assert result == {"result": "stored", "size": len(CONTENT), "reusable": True, "quarantined": False}
    assert files(store) == {SHA: CONTENT}
    assert (sent, left) == (b"", NEXT)


def test_the_empty_object_is_an_object(store: Path) -> None:
    """pvtx sends it with every update: length 0, no length at all, or no chunk."""
    for data in (put_data(EMPTY, 0), put_data(EMPTY, 0, kind="none"), put_data(EMPTY, None)):
        wire = chunked() if data["kind"] == "chunked" else b""
        result, _, left = put(store, wire + NEXT, data)
        assert (result["result"] in ("stored", "present"), result["size"], left) == (True, 0, NEXT)
    assert files(store) == {EMPTY: b""}


@pytest.mark.parametrize("wire", [b"something else", chunked(b"some", b"thing")])
def test_a_wrong_hash_leaves_nothing(store: Path, wire: bytes) -> None:
    """The connection can be used again, and the store is as it was."""
    length = None if wire.endswith(b"0\r\n\r\n") else len(wire)
    result, _, left = put(store, wire + NEXT, put_data(SHA, length))
    assert (result["result"], result["reusable"], left) == ("bad-hash", True, NEXT)
    assert files(store) == {}


def test_an_object_that_is_there_is_verified_and_any_body_is_drained(store: Path) -> None:
    """As recorded in case 110: the answer is the same whatever was sent."""
    (store / SHA).write_bytes(CONTENT)
    before = (store / SHA).stat()
    for wire, length in ((CONTENT, len(CONTENT)), (b"something else", 14), (chunked(b"other"), None)):
        result, _, left = put(store, wire + NEXT, put_data(SHA, length))
        assert (result["result"], result["size"], result["reusable"], left) == ("present", len(CONTENT), True, NEXT)
    assert os.path.samestat(before, (store / SHA).stat())


@pytest.mark.parametrize("damage", ["byte", "cut", "empty", "link", "directory"])
def test_a_bad_object_is_repaired(store: Path, damage: str) -> None:
    """What stands under the name and is not the object is replaced, and nothing rotten stays behind."""
    path = store / SHA
    if damage == "link":
        (store.parent / "outside").write_bytes(CONTENT)
        path.symlink_to(store.parent / "outside")
    elif damage == "directory":
        path.mkdir()
    else:
        path.write_bytes({"byte": CONTENT[:-1] + b"\0", "cut": CONTENT[:-1], "empty": b""}[damage])
    result, _, _ = put(store, CONTENT, put_data(SHA, len(CONTENT)))
    assert (result["result"], result["quarantined"]) == ("stored", True)
    assert files(store) == {SHA: CONTENT}
    assert not path.is_symlink()


def test_an_object_that_cannot_be_read_is_repaired_by_a_put_and_left_by_verify(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO in the middle: as good as rotten for one who brings the content, and only reported by one who does not."""

    def failing(*_: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (store / SHA).write_bytes(CONTENT)
    monkeypatch.setattr(os, "preadv", failing)
    with opened(store) as fd:
        found = tasks.verify_object({"sha256": SHA}, FakeContext(store=fd))
    assert (found["result"], list(files(store))) == ("unreadable", [SHA])
    result, _, _ = put(store, CONTENT, put_data(SHA, len(CONTENT)))
    assert (result["result"], result["quarantined"]) == ("stored", True)
    assert files(store) == {SHA: CONTENT}


def test_a_repair_that_fails_leaves_the_bad_object_in_quarantine(store: Path) -> None:
    """From the moment it is known to be rotten it is not served again."""
    (store / SHA).write_bytes(b"rotten")
    result, _, _ = put(store, b"wrong", put_data(SHA, 5))
    assert (result["result"], result["quarantined"]) == ("bad-hash", True)
    assert files(store) == {rotten_name(SHA): b"rotten"}


@pytest.mark.parametrize("wire", [CONTENT[:-1], b"", chunked(CONTENT)[:-1], chunked(CONTENT)[:-7], b"3\r\n"])
def test_a_body_cut_short_leaves_nothing(store: Path, wire: bytes) -> None:
    """The client has left: no answer is due, and the connection is not used again."""
    length = len(CONTENT) if wire in (CONTENT[:-1], b"") else None
    result, _, _ = put(store, wire, put_data(SHA, length), cut=True)
    assert (result["result"], result["reusable"]) == ("cut-short", False)
    assert files(store) == {}


def test_broken_chunks_leave_nothing(store: Path) -> None:
    """Where the next request begins is not known: the connection is not used again."""
    result, _, _ = put(store, b"5\r\nabc\r\nZZ\r\n", put_data(SHA, None))
    assert (result["result"], result["reusable"]) == ("bad-chunk", False)
    assert files(store) == {}


def test_what_cannot_fit_is_refused_before_it_is_read_and_then_drained(store: Path) -> None:
    """One answer, and the client comes to reading it."""
    full: dict[str, Any] = {"reserved_percent": 100}
    for wire, data, word in (
        (CONTENT, put_data(SHA, len(CONTENT), **full), "no-space"),
        (chunked(CONTENT), put_data(SHA, None, **full), "no-space"),
        (CONTENT, put_data(SHA, len(CONTENT), max_size=10), "too-large"),
    ):
        result, _, left = put(store, wire + NEXT, data)
        assert (result["result"], result["reusable"], left) == (word, True, NEXT)
    assert files(store) == {}


def test_what_needs_no_space_is_stored_on_a_full_disk(store: Path) -> None:
    """The empty object fits beside any reserve."""
    assert put(store, b"", put_data(EMPTY, 0, reserved_percent=100))[0]["result"] == "stored"


def test_a_refused_client_that_waits_for_leave_to_send_is_not_waited_for(store: Path) -> None:
    """No 100 Continue is sent, nothing is drained, and the connection closes."""
    data = put_data(SHA, len(CONTENT), expect_continue=True, reserved_percent=100)
    result, sent, _ = put(store, b"", data)
    assert (result["result"], result["reusable"], sent) == ("no-space", False, b"")


def test_a_chunked_body_is_refused_where_it_grows_too_large(store: Path) -> None:
    """Without a length the limit is met on the way; the stage is gone and the rest is drained."""
    result, _, left = put(store, chunked(CONTENT, CONTENT) + NEXT, put_data(SHA, None, max_size=len(CONTENT)))
    assert (result["result"], result["reusable"], left) == ("too-large", True, NEXT)
    assert files(store) == {}


def test_space_is_looked_at_again_on_the_way(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone else may fill the file system while a body streams."""
    monkeypatch.setattr(upload, "CHECKPOINT", 200_000)
    free = iter([1 << 40, 1 << 40, -1])
    monkeypatch.setattr(store_module.Store, "free", lambda self, reserved: next(free))
    result, _, left = put(store, CONTENT + NEXT, put_data(SHA, len(CONTENT)))
    assert (result["result"], left) == ("no-space", NEXT)
    assert files(store) == {}


def test_progress_is_told_now_and_then(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most once a second, as a part of the whole; nothing where the length is not known."""
    now = iter([0.0, 0.5, 1.0, 1.5, 2.0])
    monkeypatch.setattr(upload, "CHECKPOINT", 1)
    monkeypatch.setattr(upload, "BUFFER", 256 * 1024)
    monkeypatch.setattr(upload, "monotonic", lambda: next(now))
    content = os.urandom(4 * 256 * 1024)
    context = FakeContext()
    put(store, content, put_data(sha_of(content), len(content)), context=context)
    assert context.heard == [0.5, 1.0]
    now = iter([0.0, *range(1, 10)])
    silent = FakeContext()
    put(store, chunked(CONTENT), put_data(SHA, None), context=silent)
    assert silent.heard == []


def test_a_drain_is_bounded(store: Path) -> None:
    """A body that would never end does not keep a worker."""
    result, _, _ = put(store, CONTENT, put_data(SHA, len(CONTENT), max_size=10, drain_limit=1000))
    assert (result["result"], result["reusable"]) == ("too-large", False)


def test_100_continue_is_sent_to_those_who_wait_for_it(store: Path) -> None:
    """Before the first byte is read, and never to a client that sends already."""
    peer, lent = socket.socketpair()
    with peer, lent, opened(store) as fd:
        lent.setblocking(False)

        def obey() -> None:
            assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            peer.sendall(CONTENT)

        obedient = threading.Thread(target=obey)
        obedient.start()
        context = FakeContext(store=fd, client=lent.fileno())
        assert tasks.store_object(put_data(SHA, len(CONTENT), expect_continue=True), context)["result"] == "stored"
        obedient.join()
    peer, lent = socket.socketpair()
    with peer, lent, opened(store) as fd:
        peer.send(b"early")
        context = FakeContext(store=fd, client=lent.fileno())
        assert tasks.store_object(put_data(SHA, 5, expect_continue=True), context)["result"] == "present"
        with pytest.raises(BlockingIOError):
            peer.recv(100, socket.MSG_DONTWAIT)


def test_a_cancelled_upload_leaves_nothing(store: Path) -> None:
    """Asked while it waits for the client, it puts everything away."""
    context = FakeContext()
    answers = iter([False, False])
    context.is_cancelled = lambda: next(answers, True)
    result, _, _ = put(store, CONTENT[:1000], put_data(SHA, len(CONTENT)), context=context)
    assert (result["result"], result["reusable"]) == ("cancelled", False)
    assert files(store) == {}


@pytest.mark.parametrize(
    "data", [{"sha256": "../" + SHA[3:]}, {"sha256": SHA.upper()}, {"stage": "../stage"}, {"stage": SHA}]
)
def test_a_worker_trusts_no_name(store: Path, data: dict[str, Any]) -> None:
    """Even if the main loop let a name through, the worker does not touch the disk for it."""
    result, _, _ = put(store, b"", put_data(SHA, 0, **data))
    assert result == {"result": "bad-name", "reusable": False}
    assert files(store) == {}
    assert list(store.parent.iterdir()) == [store]


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.ENOSPC, "no-space"), (errno.EDQUOT, "no-space"), (errno.EIO, "io-error"), (errno.EROFS, "read-only")],
)
@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
def test_a_disk_that_fails_is_one_answer_and_nothing_left(
    store: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, word: str
) -> None:
    """Whichever step fails, the body is drained, the stage is gone, and the error is named."""
    real = getattr(os, call)

    def failing(*arguments: Any, **more: Any) -> Any:
        if call == "open" and not arguments[1] & os.O_CREAT:
            return real(*arguments, **more)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(upload.os if call != "open" else store_module.os, call, failing)
        result, _, left = put(store, CONTENT + NEXT, put_data(SHA, len(CONTENT)))
    assert (result["result"], result["reusable"], left) == (word, True, NEXT)
    assert files(store) == {}


def test_an_fsync_of_the_directory_that_fails_acknowledges_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object may be there, whole; but nobody is told that it is safe."""
    real, calls = os.fsync, iter([False, True])

    def failing(fd: int) -> None:
        if next(calls):
            raise OSError(errno.EIO, "failed")
        real(fd)

    monkeypatch.setattr(os, "fsync", failing)
    result, _, _ = put(store, CONTENT, put_data(SHA, len(CONTENT)))
    assert result["result"] == "io-error"
    assert files(store) == {SHA: CONTENT}


def test_writes_are_flushed_before_the_name_and_the_name_before_the_answer(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stage, fsync, rename, fsync of the directory: in this order."""
    order: list[str] = []
    for call in ("write", "fsync", "rename"):
        real = getattr(os, call)

        def noted(*arguments: Any, call: str = call, real: Any = real, **more: Any) -> Any:
            if call != "fsync" or os.fstat(arguments[0]).st_mode & 0o100000:
                order.append(call)
            else:
                order.append("fsync directory")
            return real(*arguments, **more)

        monkeypatch.setattr(os, call, noted)
    put(store, b"x", put_data(sha_of(b"x"), 1))
    assert order == ["write", "fsync", "rename", "fsync directory"]


def test_verify_tells_good_from_rotten(store: Path) -> None:
    """Good ones stay; rotten ones, and what is no file, go into quarantine; missing ones are said to be."""
    (store / SHA).write_bytes(CONTENT)
    rotten, link, missing = "aa" * 32, "bb" * 32, "cc" * 32
    (store / rotten).write_bytes(b"x")
    (store / link).symlink_to(store / SHA)
    with opened(store) as fd:
        context = FakeContext(store=fd)
        found = {sha: tasks.verify_object({"sha256": sha}, context)["result"] for sha in (SHA, rotten, link, missing)}
        assert tasks.verify_object({"sha256": "../x"}, context) == {"result": "missing"}
        context.is_cancelled = lambda: True
        assert tasks.verify_object({"sha256": SHA}, context) == {"result": "cancelled"}
    assert found == {SHA: "good", rotten: "rotten", link: "rotten", missing: "missing"}
    assert set(files(store)) == {SHA, rotten_name(rotten), rotten_name(link)}


def test_a_scan_lists_and_cleans(store: Path) -> None:
    """Stages of a life before and replaced rotten ones go; others' files, and rotten ones without a successor, stay."""
    (store / SHA).write_bytes(CONTENT)
    (store / rotten_name(SHA)).write_bytes(b"old")
    (store / rotten_name(EMPTY)).write_bytes(b"x")
    (store / stage_name(SHA, 0x01020304_00000001)).write_bytes(b"half")
    (store / f"{SHA}.tmp").write_bytes(b"Pantavisor's")
    with opened(store) as fd:
        result = tasks.scan_objects({"boot": "0a0b0c0d"}, FakeContext(store=fd))
    assert result == {"objects": {SHA: len(CONTENT)}, "removed": 2, "rotten": [EMPTY]}
    assert set(files(store)) == {SHA, rotten_name(EMPTY), f"{SHA}.tmp"}


def test_settling_removes_the_stage_and_tells_what_is_there(store: Path) -> None:
    """After a worker was killed nobody knows how far it came: this finds out."""
    stage = stage_name(SHA, 1)
    with opened(store) as fd:
        context = FakeContext(store=fd)
        assert tasks.settle_object({"sha256": SHA, "stage": stage}, context) == {"removed": False, "size": None}
        (store / stage).write_bytes(b"half")
        (store / SHA).write_bytes(CONTENT)
        assert tasks.settle_object({"sha256": SHA, "stage": stage}, context) == {"removed": True, "size": len(CONTENT)}
        assert tasks.settle_object({"sha256": "../x", "stage": "../x"}, context) == {"removed": False, "size": None}
    assert files(store) == {SHA: CONTENT}
