"""SHA-256 of what is in a file, in a worker."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

# Fits the second-level cache of the processors we aim at: recv, hash and write then find the same bytes hot.
BUFFER = 256 * 1024


def file_sha256(fd: int, buffer: memoryview, check: Callable[[], None]) -> str:
    """The hash of a file's content in hexadecimal. `check` is called between blocks, to raise. Raises OSError."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    digest = hashlib.sha256()
    offset = 0
    while count := os.preadv(fd, [buffer], offset):
        digest.update(buffer[:count])
        offset += count
        check()
    return digest.hexdigest()
