"""One PUT, in a worker: from the client's socket to an object that is verified, on disk, and only then visible.

Order of writes: stage created, written, fsync of the stage, rename, fsync of the directory, answer. See
`docs/explanation/objects.md` for what each step is there for.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from pvsched.objects.body import Body, drain
from pvsched.objects.client import CONTINUE, Client
from pvsched.objects.digest import BUFFER, file_sha256
from pvsched.objects.hashing import Beside, Inline, hashing
from pvsched.objects.store import NotAnObject, Store

# How often space is looked at again while a body streams: others write to the same file system.
CHECKPOINT = 8 * 1024 * 1024
RESULTS = {errno.ENOSPC: "no-space", errno.EDQUOT: "no-space", errno.EROFS: "read-only", errno.EFBIG: "too-large"}


class Refused(Exception):
    """The upload ends here with `result`, a word of `answers.PUT_ANSWERS`."""

    def __init__(self, result: str) -> None:
        super().__init__(result)
        self.result = result


class Upload:
    """One upload of the object `data["sha256"]`; `data` as `controller.Objects` makes it. Workers only.

    `progress` hears the part that is stored, 0 to 1, now and then.
    """

    def __init__(
        self, store: Store, client: Client, body: Body, data: Mapping[str, Any], progress: Callable[[float], None]
    ) -> None:
        self._store = store
        self._progress = progress
        self._told = monotonic()
        self._client = client
        self._body = body
        self._sha: str = data["sha256"]
        self._stage: str = data["stage"]
        self._length: int | None = data["length"]
        self._max_size: int = data["max_size"]
        self._reserved: int = data["reserved_percent"]
        self._drain_limit: int = data["drain_limit"]
        self._owed_continue: bool = data["expect_continue"]
        self._buffer = memoryview(bytearray(BUFFER))
        self.quarantined = False

    def run(self) -> tuple[str, int]:
        """Stores the object or finds it there; returns `stored` or `present`, and its size in bytes.

        Raises Refused, ClientLeft, TooSlow, BadChunk, Cancelled, OSError.
        """
        size = self._existing()
        if size is not None:
            self.continue_()
            drain(self._body, self._buffer, self._drain_limit)
            return "present", size
        self._admit()
        return "stored", self._receive()

    def drain(self) -> None:
        """After an error: reads the rest of the body, so that the client comes to reading the answer.

        Not where the client still waits for leave to send: the answer tells it not to.
        """
        if not self._owed_continue:
            drain(self._body, self._buffer, self._drain_limit)

    def continue_(self) -> None:
        """Sends `100 Continue` where the client waits for it; one that sends already needs none."""
        if self._owed_continue:
            self._owed_continue = False
            if not self._client.readable():
                self._client.send(CONTINUE)

    def _existing(self) -> int | None:
        """The size of the object if it is there and right. What is there and wrong goes into quarantine."""
        try:
            opened = self._store.open(self._sha)
        except NotAnObject:
            self.quarantined = self._store.quarantine(self._sha, None)
            return None
        if opened is None:
            return None
        fd, size = opened
        try:
            if self._content_is_right(fd):
                return size
            self.quarantined = self._store.quarantine(self._sha, fd)
        finally:
            os.close(fd)
        return None

    def _content_is_right(self, fd: int) -> bool:
        try:
            return file_sha256(fd, self._buffer, self._client.check) == self._sha
        except OSError:
            # unreadable is as good as wrong: this very upload replaces it
            return False

    def _admit(self) -> None:
        """Refuses at once what cannot fit, before a byte of it is read."""
        if self._max_size and (self._length or 0) > self._max_size:
            raise Refused("too-large")
        # of a chunked body nothing is known but that it wants something
        least = 1 if self._length is None else self._length
        if least > max(0, self._store.free(self._reserved)):
            raise Refused("no-space")

    def _receive(self) -> int:
        self.continue_()
        fd = self._store.create(self._stage)
        try:
            try:
                size = self._stream(fd)
                os.fsync(fd)
            finally:
                os.close(fd)
            self._store.publish(self._stage, self._sha)
        except BaseException:
            # Where even this fails, the controller's settle task and the scan at start try again.
            with suppress(OSError):
                self._store.remove(self._stage)
            raise
        return size

    def _stream(self, fd: int) -> int:
        """Writes the body to `fd`, hashing on the way; returns its size. Raises Refused if it is not the named one."""
        with hashing(self._buffer, self._length) as digest:
            size = self._write(fd, digest)
            if digest.hexdigest() != self._sha:
                raise Refused("bad-hash")
        return size

    def _write(self, fd: int, digest: Inline | Beside) -> int:
        size, checked = 0, 0
        while count := self._fill(block := digest.block()):
            size += count
            if self._max_size and size > self._max_size:
                raise Refused("too-large")
            digest.add(count)
            write_all(fd, block[:count])
            if size - checked >= CHECKPOINT:
                self._between(fd, checked, size - checked)
                checked = size
                self._tell(size)
        return size

    def _fill(self, block: memoryview) -> int:
        """Reads until the block is full or the body over: whole pages are written 30 % faster than what recv gives."""
        filled = 0
        while filled < len(block) and (count := self._body.read_into(block[filled:])):
            filled += count
        return filled

    def _between(self, fd: int, start: int, length: int) -> None:
        self._client.check()
        if self._store.free(self._reserved) < 0:
            raise Refused("no-space")
        # Lets Linux begin to write these pages (dirty ones are not dropped): the fsync at the end finds a quarter of
        # the work, and a small board never holds a whole object in dirty memory.
        os.posix_fadvise(fd, start, length, os.POSIX_FADV_DONTNEED)

    def _tell(self, size: int) -> None:
        # at most once a second: each word of ours wakes the main loop
        now = monotonic()
        if self._length and now - self._told >= 1:
            self._told = now
            self._progress(size / self._length)


def write_all(fd: int, data: memoryview) -> None:
    """Writes all of `data`; the kernel may take less at a time, as it does just before a disk is full."""
    while data:
        data = data[os.write(fd, data) :]
