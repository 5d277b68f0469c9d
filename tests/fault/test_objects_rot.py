"""Reliability row C3: an object that rots is found, goes out of sight, and is repaired by a new PUT."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pvsched.objects.model import rotten_name
from pvsched.objects.tasks import scan_objects, send_object, verify_object
from tests.unit.objects.lent import FakeContext, files, get_data, opened, put, put_data, sha_of

CONTENT = os.urandom(200)
SHA = sha_of(CONTENT)


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_each_byte_that_rots_is_found_hidden_and_repaired(tmp_path: Path, flip: int) -> None:
    """Each byte of a small object in turn: verify finds it, nobody is served it, a PUT brings it back."""
    path = tmp_path / SHA
    with opened(tmp_path) as directory:
        for at in range(len(CONTENT)):
            path.write_bytes(CONTENT[:at] + bytes((CONTENT[at] ^ flip,)) + CONTENT[at + 1 :])
            assert verify_object({"sha256": SHA}, FakeContext(store=directory)) == {
                "result": "rotten",
                "quarantined": True,
            }
            assert list(files(tmp_path)) == [rotten_name(SHA)]
            assert scan_objects({"boot": "00000000"}, FakeContext(store=directory))["objects"] == {}
            peer, lent = socket.socketpair()
            with peer, lent:
                context = FakeContext(store=directory, client=lent.fileno())
                assert send_object(get_data(SHA), context) == {"result": "missing"}
            assert put(tmp_path, CONTENT, put_data(SHA, len(CONTENT)))[0]["result"] == "stored"
            assert files(tmp_path) == {SHA: CONTENT}
            assert verify_object({"sha256": SHA}, FakeContext(store=directory))["result"] == "good"


@pytest.mark.parametrize("length", [0, 1, 199, 201, 400])
def test_an_object_of_another_length_is_rotten(tmp_path: Path, length: int) -> None:
    """Truncated (as a real Pantavisor leaves an aborted upload) or grown, to nothing or by one byte."""
    (tmp_path / SHA).write_bytes((CONTENT * 2)[:length])
    with opened(tmp_path) as directory:
        assert verify_object({"sha256": SHA}, FakeContext(store=directory))["result"] == "rotten"
    assert put(tmp_path, CONTENT, put_data(SHA, len(CONTENT)))[0]["result"] == "stored"
    assert files(tmp_path) == {SHA: CONTENT}
