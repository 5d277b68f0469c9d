"""The store's directory: names, links, quarantine, space."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pvsched.objects.model import rotten_name, stage_name
from pvsched.objects.store import NotAnObject, Store
from tests.unit.objects.lent import opened

SHA = "ab" * 32
OTHER = "cd" * 32


def plant(directory: Path, kind: str) -> Path:
    """Puts something that is no object under an object's name; returns what a link would lead to."""
    target = directory.parent / "outside"
    target.write_bytes(b"secret")
    path = directory / SHA
    if kind == "link":
        path.symlink_to(target)
    elif kind == "dangling":
        path.symlink_to(directory.parent / "nowhere")
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as end:
            here = os.open(directory, os.O_RDONLY)
            end.bind(f"/proc/self/fd/{here}/{SHA}")
            os.close(here)
    return target


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "fifo", "socket"])
def test_only_regular_files_are_objects(store: Path, kind: str) -> None:
    """Links are not followed, FIFOs not waited for; none of them is listed, and all can be put away."""
    target = plant(store, kind)
    with opened(store) as fd:
        held = Store(fd)
        with pytest.raises(NotAnObject):
            held.open(SHA)
        assert held.size(SHA) is None
        assert list(held.objects()) == []
        assert held.quarantine(SHA, None)
        assert held.open(SHA) is None
        assert held.quarantined() == [rotten_name(SHA)]
    assert target.read_bytes() == b"secret"


def test_a_stage_is_made_anew_or_not_at_all(store: Path) -> None:
    """Neither an existing file nor a link is opened for writing."""
    stage = stage_name(SHA, 7)
    outside = store.parent / "outside"
    (store / stage).symlink_to(outside)
    with opened(store) as fd:
        with pytest.raises(FileExistsError):
            Store(fd).create(stage)
        assert not outside.exists()
        (store / stage).unlink()
        os.close(Store(fd).create(stage))
        with pytest.raises(FileExistsError):
            Store(fd).create(stage)


def test_publishing_replaces_and_ends_quarantine(store: Path) -> None:
    """After a publication there is the new object, and neither stage nor rotten one."""
    stage = stage_name(SHA, 7)
    (store / stage).write_bytes(b"new")
    (store / SHA).write_bytes(b"old")
    (store / rotten_name(SHA)).write_bytes(b"older")
    with opened(store) as fd:
        Store(fd).publish(stage, SHA)
    assert [path.name for path in store.iterdir()] == [SHA]
    assert (store / SHA).read_bytes() == b"new"


def test_quarantine_never_takes_a_file_that_was_not_judged(store: Path) -> None:
    """Where the object was replaced after it was read, the new one stays."""
    (store / SHA).write_bytes(b"old")
    with opened(store) as fd:
        held = Store(fd)
        found = held.open(SHA)
        assert found is not None
        (store / "new").write_bytes(b"new")
        (store / "new").rename(store / SHA)
        assert not held.quarantine(SHA, found[0])
        os.close(found[0])
        (store / SHA).unlink()
        assert not held.quarantine(SHA, None)


def test_the_listing_shows_objects_alone(store: Path) -> None:
    """Stages, quarantine, foreign names and Pantavisor's downloads are not objects; empty objects are."""
    for name in (stage_name(SHA, 1), rotten_name(SHA), f"{SHA}.tmp", SHA.upper(), "readme"):
        (store / name).write_bytes(b"x")
    (store / SHA).write_bytes(b"")
    (store / OTHER).write_bytes(b"12345")
    with opened(store) as fd:
        held = Store(fd)
        for _ in range(2):
            assert dict(held.objects()) == {SHA: 0, OTHER: 5}
        assert held.leftovers("ffffffff") == [stage_name(SHA, 1)]


def test_stages_of_the_running_daemon_are_no_leftovers(store: Path) -> None:
    """A scan that runs beside uploads leaves their stages alone."""
    mine, old = stage_name(SHA, 0xAABBCCDD_00000001), stage_name(SHA, 0x11223344_00000001)
    for name in (mine, old):
        (store / name).write_bytes(b"x")
    with opened(store) as fd:
        assert Store(fd).leftovers("aabbccdd") == [old]


def test_the_reserve_is_kept_free(store: Path) -> None:
    """Free space is what is free less a part of the whole, and the whole reserve leaves nothing."""
    with opened(store) as fd:
        held, found = Store(fd), os.fstatvfs(fd)
        assert held.free(100) <= 0 < held.free(0)
        assert abs(held.free(0) - found.f_bfree * found.f_frsize) < 1 << 30
