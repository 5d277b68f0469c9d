"""Reliability row D4: no name leads out of the store."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from pvsched.objects.model import stage_name, valid_name
from pvsched.objects.tasks import send_object, settle_object, store_object, verify_object
from tests.unit.objects.lent import FakeContext, files, get_data, opened, put_data

SHA = "0123456789abcdef" * 4
AMOUNT = 10_000
PIECES = (
    "..", ".", "/", "//", "\\", "\0", "%2e", "%2F", "%00", "\u2025", "\uff0e\uff0e", "\u2215", "\ufeff", "\u0660",
    "\uff41", "~", " ", "\n", "\r\n", ":", "etc", "passwd", "proc", "self", "fd", "a", "F", "0", SHA[:10], SHA[:32],
    SHA[:63], SHA, ".tmp", ".rotten", "\udc80",
)  # fmt: skip


def hostile_names(seed: int) -> Iterator[str]:
    """AMOUNT names that are none, the same for the same seed; many of them 64 characters long."""
    choose = random.Random(seed)
    made = 0
    while made < AMOUNT:
        name = "".join(choose.choices(PIECES, k=choose.randint(0, 6)))
        shape = choose.randrange(5)
        if shape == 0:
            name = (name + SHA)[:64]
        elif shape == 1:
            name = (SHA + name)[-64:]
        elif shape == 2:
            name = quote(name.encode("utf-8", "surrogateescape"))
        if not valid_name(name):
            made += 1
            yield name


class Touched:
    """Notes every file that this process opens, renames or removes while it listens."""

    def __init__(self) -> None:
        self.listening = False
        self.paths: list[object] = []
        sys.addaudithook(self._hear)  # there is no taking it away again: it only sleeps

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.listening and (event == "open" or event.startswith(("os.", "shutil."))):
            self.paths.append((event, arguments))

    @contextmanager
    def listen(self) -> Iterator[list[object]]:
        """Notes what happens inside."""
        self.paths, self.listening = [], True
        try:
            yield self.paths
        finally:
            self.listening = False


def test_a_hostile_name_touches_no_file_at_all(tmp_path: Path) -> None:
    """Ten thousand of them, in each task, and not one opening, renaming or removal."""
    touched, seed = Touched(), int(os.environ.get("PVSCHED_SEED", "1"))
    peer, lent = socket.socketpair()
    with peer, lent, opened(tmp_path) as directory:
        context = FakeContext(store=directory, client=lent.fileno())
        for name in hostile_names(seed):
            with touched.listen() as paths:
                assert store_object(put_data(name, 0), context)["result"] == "bad-name"
                assert store_object(put_data(SHA, 0, stage=name), context)["result"] == "bad-name"
                assert send_object(get_data(name), context) == {"result": "missing"}
                assert verify_object({"sha256": name}, context) == {"result": "missing"}
                settled = settle_object({"sha256": name, "stage": name}, context)
            assert settled == {"removed": False, "size": None}, f"PVSCHED_SEED={seed} {name!r}"
            assert paths == [], f"PVSCHED_SEED={seed} {name!r}"
    assert files(tmp_path) == {}


def test_a_good_name_touches_only_the_store(tmp_path: Path) -> None:
    """The listening itself works: names without a separator, relative to the store, and nothing else."""
    store = tmp_path / "objects"
    store.mkdir()
    touched = Touched()
    peer, lent = socket.socketpair()
    with peer, lent, opened(store) as directory:
        peer.send(b"x")
        with touched.listen() as paths:
            store_object(put_data(SHA, 1), FakeContext(store=directory, client=lent.fileno()))
    opened_paths = [arguments[0] for event, arguments in paths if event == "open"]  # type: ignore[misc, has-type]
    assert opened_paths == [SHA, stage_name(SHA, 1)]


def test_links_under_every_name_of_an_upload_lead_nowhere(tmp_path: Path) -> None:
    """Object, stage and quarantine as links to a file outside: it keeps its content, mode and times."""
    store, outside = tmp_path / "objects", tmp_path / "outside"
    store.mkdir()
    outside.write_bytes(b"secret")
    before = outside.stat()
    for name in (SHA, stage_name(SHA, 1), f"{SHA}.rotten"):
        (store / name).symlink_to(outside)
    peer, lent = socket.socketpair()
    with peer, lent, opened(store) as directory:
        context = FakeContext(store=directory, client=lent.fileno())
        assert send_object(get_data(SHA), context) == {"result": "missing"}
        peer.send(b"x")
        assert store_object(put_data(SHA, 1), context)["result"] == "io-error"
        assert verify_object({"sha256": SHA}, context)["result"] in ("rotten", "missing")
        settle_object({"sha256": SHA, "stage": stage_name(SHA, 1)}, context)
    after = outside.stat()
    assert outside.read_bytes() == b"secret"
    assert (before.st_mtime_ns, before.st_mode, before.st_nlink) == (after.st_mtime_ns, after.st_mode, after.st_nlink)
