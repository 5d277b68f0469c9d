"""The hash of a stream is the same in turn and beside, whatever the blocks; no thread outlives its stream."""

from __future__ import annotations

import _thread
import hashlib
import os
import random
import time
from pathlib import Path

import pytest

from pvsched.objects import hashing
from pvsched.objects.hashing import WORTH, Beside, Inline

SIZE = 4096


def threads() -> int:
    """How many threads this process has."""
    return len(list(Path("/proc/self/task").iterdir()))


def fed(made: Inline | Beside, parts: list[bytes]) -> str:
    """Hand over parts, each in a block of its own."""
    for part in parts:
        block = made.block()
        assert made.block() is block  # to ask twice is to get it once
        block[: len(part)] = part
        made.add(len(part))
    return made.hexdigest()


@pytest.mark.parametrize("kind", [Inline, Beside])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 300])
def test_the_hash_is_that_of_the_stream(kind: type[Inline | Beside], count: int) -> None:
    """Of fewer blocks than the ring has, as many, and more; of any length."""
    chance = random.Random(count)
    parts = [chance.randbytes(chance.randint(1, SIZE)) for _ in range(count)]
    assert fed(kind(memoryview(bytearray(SIZE))), parts) == hashlib.sha256(b"".join(parts)).hexdigest()


class GivenUp(Exception):
    """A stream's end before its end."""


def given_up_after(blocks: int) -> None:
    """Feed some blocks, take one more in hand, and stop."""
    with hashing.hashing(memoryview(bytearray(SIZE)), None) as made:
        for _ in range(blocks):
            made.block()
            made.add(SIZE)
        made.block()
        assert isinstance(made, Beside) == (len(os.sched_getaffinity(0)) > 1)
        raise GivenUp


@pytest.mark.parametrize("blocks", [0, 1, 5])
def test_no_thread_outlives_its_stream(blocks: int) -> None:
    """Not even one that is given up with a block in hand."""
    before = threads()
    with pytest.raises(GivenUp):
        given_up_after(blocks)
    patience = time.monotonic() + 30
    while threads() > before:  # it has said its last word, and has only to leave
        assert time.monotonic() < patience
        time.sleep(0.001)


def test_it_hashes_in_turn_where_a_thread_would_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short stream, one processor, or no thread to be had."""
    buffer = memoryview(bytearray(SIZE))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    with hashing.hashing(buffer, WORTH) as made:
        assert isinstance(made, Beside)
    with hashing.hashing(buffer, WORTH - 1) as made:
        assert isinstance(made, Inline)

    def refused(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", refused)
        with hashing.hashing(buffer, None) as made:
            assert fed(made, [b"x"]) == hashlib.sha256(b"x").hexdigest()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1})
    with hashing.hashing(buffer, None) as made:
        assert isinstance(made, Inline)
