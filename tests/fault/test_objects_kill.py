"""Reliability row C2: a worker that is killed at any system call of a PUT leaves the old or the new, never a mix."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from pvsched.objects.model import is_stage, rotten_name
from pvsched.objects.tasks import scan_objects, settle_object, store_object
from tests.unit.objects.lent import FakeContext, files, opened, put, put_data, sha_of

CONTENT = os.urandom(5000)
ROTTEN = CONTENT[:-1] + bytes((CONTENT[-1] ^ 1,))
SHA = sha_of(CONTENT)
LINE = re.compile(r"^(?:\d+ +)?(\w+)\(")


class TracedPut:
    """One PUT in a process of its own, with strace at its side."""

    def __init__(self, store: Path, options: list[str], log: Path) -> None:
        go, self._go = os.pipe()
        with opened(store) as directory:
            peer, lent = socket.socketpair()
            with peer, lent:
                self.pid = os.fork()
                if self.pid == 0:
                    self._child(go, directory, lent)
                os.close(go)
                peer.sendall(CONTENT)
                self._trace(options, log)
                os.close(self._go)
                self.status = os.waitpid(self.pid, 0)[1]
        self._tracer.wait()

    def _child(self, go: int, directory: int, lent: socket.socket) -> None:
        os.close(self._go)
        os.read(go, 1)
        context = FakeContext(store=directory, client=lent.fileno())
        result = store_object(put_data(SHA, len(CONTENT)), context)
        os._exit(0 if result["result"] == "stored" else 1)

    def _trace(self, options: list[str], log: Path) -> None:
        command = ["strace", "-o", str(log), *options, "-p", str(self.pid)]
        self._tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._tracer.stderr is not None
        with self._tracer.stderr as said:
            first = said.readline()
        if "attached" not in first:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._tracer.wait()
            pytest.skip(f"lacks ptrace: {first.strip()}")


def calls_of(log: Path) -> list[tuple[str, int]]:
    """Every system call of a trace with its place among those of its name, which is how strace counts."""
    seen: Counter[str] = Counter()
    found = []
    for line in log.read_text().splitlines():
        match = LINE.match(line)
        if match is not None and match[1] != "exit_group":
            seen[match[1]] += 1
            found.append((match[1], seen[match[1]]))
    return found


def begin(store: Path, before: bytes | None) -> None:
    """The store as the PUT finds it."""
    for path in store.iterdir():
        path.unlink()
    if before is not None:
        (store / SHA).write_bytes(before)


def check(store: Path, before: bytes | None, at: object) -> None:
    """Old or new; after the cleaning nothing else; and a new PUT ends with the object."""
    found = files(store)
    assert found.pop(SHA, CONTENT) in (CONTENT, before), at
    assert found.pop(rotten_name(SHA), ROTTEN) == ROTTEN, at
    assert all(is_stage(name) for name in found), at
    with opened(store) as directory:
        context = FakeContext(store=directory)
        settle_object({"sha256": SHA, "stage": put_data(SHA, 0)["stage"]}, context)
        scan_objects({"boot": "ffffffff"}, context)
    names = sorted(files(store))
    assert names in ([], [SHA], [rotten_name(SHA)]), at
    assert put(store, CONTENT, put_data(SHA, len(CONTENT)))[0]["result"] in ("stored", "present"), at
    assert files(store) == {SHA: CONTENT}, at


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("before", [None, ROTTEN], ids=["new", "repair"])
def test_killed_at_any_system_call_it_leaves_old_or_new(tmp_path: Path, before: bytes | None) -> None:
    """Every system call of one PUT, one run each; SIGKILL as the call begins."""
    store, log = tmp_path / "objects", tmp_path / "trace"
    store.mkdir()
    begin(store, before)
    whole = TracedPut(store, [], log)
    assert os.waitstatus_to_exitcode(whole.status) == 0
    calls = calls_of(log)
    assert {"write", "fsync", "openat"} <= {name for name, _ in calls}
    assert files(store) == {SHA: CONTENT}
    killed = 0
    for name, place in calls:
        begin(store, before)
        run = TracedPut(store, ["-e", f"inject={name}:signal=KILL:when={place}"], log)
        killed += os.WIFSIGNALED(run.status)
        check(store, before, f"{name} {place}")
    # the very last ones may differ by one between two runs, as the allocator sees fit
    assert killed >= len(calls) - 3
