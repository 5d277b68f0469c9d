"""The directory that holds the objects, as a worker sees it: every name relative to one open descriptor.

A name is 64 characters of `0-9a-f` with or without a suffix of ours, so it is one path component by construction; with
O_NOFOLLOW on each opening that is what `openat2(RESOLVE_BENEATH)` would grant. No link in the store is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from pvsched.objects.model import is_rotten, is_stage, rotten_name, valid_name

# O_NONBLOCK: the opening of a FIFO that someone put there must not wait for a writer. It means nothing for files.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
MODE = 0o644


class NotAnObject(Exception):
    """Under the object's name stands a link, a directory or a device."""


class Store:
    """The store behind `directory`, a descriptor that stays the caller's. Workers only: every call may wait for a disk.

    Every method raises OSError as the kernel gave it.
    """

    __slots__ = ("directory",)

    def __init__(self, directory: int) -> None:
        self.directory = directory

    def open(self, sha: str) -> tuple[int, int] | None:
        """Opens an object for reading: its descriptor and its size in bytes; None if there is none.

        Raises NotAnObject for anything but a regular file.
        """
        try:
            fd = os.open(sha, READ, dir_fd=self.directory)
        except FileNotFoundError:
            return None
        except OSError as error:
            # ELOOP: a symbolic link; ENXIO: a socket
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise NotAnObject(sha) from error
            raise
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode):
            return fd, found.st_size
        os.close(fd)
        raise NotAnObject(sha)

    def create(self, stage: str) -> int:
        """Makes a stage, which must not exist, and opens it for writing."""
        return os.open(stage, CREATE, MODE, dir_fd=self.directory)

    def publish(self, stage: str, sha: str) -> None:
        """Gives a stage that is complete and on disk its final name, and returns when that is on disk too."""
        os.rename(stage, sha, src_dir_fd=self.directory, dst_dir_fd=self.directory)
        # housekeeping: where it fails the scan at start does it
        with suppress(OSError):
            self.remove(rotten_name(sha))
        os.fsync(self.directory)

    def remove(self, name: str) -> bool:
        """Removes a file, or an empty directory that took its place; False if there was none."""
        try:
            os.unlink(name, dir_fd=self.directory)
        except FileNotFoundError:
            return False
        except IsADirectoryError:
            os.rmdir(name, dir_fd=self.directory)
        return True

    def quarantine(self, sha: str, fd: int | None) -> bool:
        """Moves what has an object's name out of sight, if it still is the file `fd` (None: whatever it is)."""
        try:
            if fd is not None and not os.path.samestat(self.status(sha), os.fstat(fd)):
                return False
            os.rename(sha, rotten_name(sha), src_dir_fd=self.directory, dst_dir_fd=self.directory)
        except FileNotFoundError:
            return False
        os.fsync(self.directory)
        return True

    def status(self, name: str) -> os.stat_result:
        """What `lstat` says of a name."""
        return os.stat(name, dir_fd=self.directory, follow_symlinks=False)

    def size(self, sha: str) -> int | None:
        """The size of an object in bytes; None if there is none."""
        try:
            found = self.status(sha)
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def free(self, reserved_percent: int) -> int:
        """Bytes that uploads may take: the free ones less the reserve, as Pantavisor counts. May be negative."""
        found = os.fstatvfs(self.directory)
        return (found.f_bfree - found.f_blocks * reserved_percent // 100) * found.f_frsize

    def objects(self) -> Iterator[tuple[str, int]]:
        """Every object with its size in bytes, in the directory's order."""
        for entry in self._entries():
            if valid_name(entry.name) and entry.is_file(follow_symlinks=False):
                yield entry.name, entry.stat(follow_symlinks=False).st_size

    def leftovers(self, boot: str) -> list[str]:
        """Stages that no running upload owns: those whose token does not begin with `boot`, this daemon's own mark."""
        return [entry.name for entry in self._entries() if is_stage(entry.name) and entry.name[65:73] != boot]

    def quarantined(self) -> list[str]:
        """Names of the files in quarantine."""
        return [entry.name for entry in self._entries() if is_rotten(entry.name)]

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        # an opening of our own: the lent descriptor's offset is shared with every other holder of it
        own = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.directory)
        try:
            with os.scandir(own) as entries:
                yield from entries
        finally:
            os.close(own)
