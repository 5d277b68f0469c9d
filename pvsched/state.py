"""The state directory: ours alone while we run (a lock), and of a format that we understand (a version file)."""

from __future__ import annotations

import fcntl
import os

from pvsched.errors import PvschedError

FORMAT = 1
LOCK_FILE = "lock"
FORMAT_FILE = "format"


class StateLocked(PvschedError):
    """Another daemon works on this directory. `pid` is its process, or 0 if it could not be told."""

    code = "state-locked"

    def __init__(self, path: str, pid: int) -> None:
        by = f"process {pid}" if pid else "another process"
        super().__init__(f"the state directory {path} is in use by {by}")
        self.pid = pid
        self.hint = (
            f"stop it (kill {pid}), or start with another --state and --socket" if pid else "look for it: fuser " + path
        )


class StateTooNew(PvschedError):
    """The directory was written by a newer version."""

    code = "state-too-new"

    def __init__(self, path: str, found: int) -> None:
        super().__init__(f"the state directory {path} has format {found}; this version knows {FORMAT} and older")
        self.hint = "install the version that wrote it, or start with an empty --state directory"


class StateUnusable(PvschedError):
    """The directory cannot be made, read or written."""

    code = "state-unusable"


class FlashWrites:
    """How often and how much the daemon itself has written to the state directory (objects of clients not counted)."""

    __slots__ = ("bytes", "writes")

    def __init__(self) -> None:
        self.writes = 0
        self.bytes = 0

    def count(self, size: int) -> None:
        """One more write of `size` bytes."""
        self.writes += 1
        self.bytes += size


class StateDirectory:
    """The open, locked directory. `fd` is its descriptor. Start-up and shut-down only: it reads and writes files."""

    def __init__(self, path: str, fd: int, lock: int, flash: FlashWrites) -> None:
        self.path = path
        self.fd = fd
        self.flash = flash
        self._lock = lock

    @classmethod
    def open(cls, path: str) -> StateDirectory:
        """Makes the directory if it is not there, locks it, and checks its format.

        Raises StateLocked, StateTooNew or StateUnusable. The lock goes with the process, however it ends.
        """
        flash = FlashWrites()
        try:
            # 0700: objects may be licensed, and later metadata is nobody's business.
            os.makedirs(path, mode=0o700, exist_ok=True)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as problem:
            raise _unusable(path, problem) from None
        try:
            lock = _locked(path, fd, flash)
        except BaseException:
            os.close(fd)
            raise
        state = cls(path, fd, lock, flash)
        try:
            state._check_format()
        except BaseException:
            state.close()
            raise
        return state

    def close(self) -> None:
        """Lets go of the directory; the lock file stays. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            os.close(self.fd)
            self._lock = self.fd = -1

    def _check_format(self) -> None:
        try:
            found = _read(self.fd, FORMAT_FILE)
            if found is None:
                self._write_format()
                return
        except OSError as problem:
            raise _unusable(self.path, problem) from None
        word, _, number = found.strip().partition(" ")
        if word != "pvsched-state" or not number.isdigit():
            error = StateUnusable(f"{self.path}/{FORMAT_FILE} is not a format file of ours: {found[:40]!r}")
            error.hint = "is --state the right directory? An empty one is set up by itself"
            raise error
        if int(number) > FORMAT:
            raise StateTooNew(self.path, int(number))

    def _write_format(self) -> None:
        """Complete before it has its name: a power cut leaves the file whole or absent."""
        text = f"pvsched-state {FORMAT}\n".encode()
        temporary = FORMAT_FILE + ".new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=self.fd)
        try:
            os.write(fd, text)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, FORMAT_FILE, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        os.fsync(self.fd)
        self.flash.count(len(text))


def _locked(path: str, directory: int, flash: FlashWrites) -> int:
    """The descriptor that holds the lock. Our pid stands in the file for whoever comes second."""
    try:
        lock = os.open(LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644, dir_fd=directory)
    except OSError as problem:
        raise _unusable(path, problem) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        text = f"{os.getpid()}\n".encode()
        # No fsync: after a power cut nobody holds the lock, and the number means nothing.
        os.pwrite(lock, text, 0)
        os.ftruncate(lock, len(text))
        flash.count(len(text))
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).strip()
        os.close(lock)
        raise StateLocked(path, int(holder) if holder.isdigit() else 0) from None
    except OSError as problem:
        os.close(lock)
        raise _unusable(path, problem) from None
    return lock


def _read(directory: int, name: str) -> str | None:
    try:
        fd = os.open(name, os.O_RDONLY, dir_fd=directory)
    except FileNotFoundError:
        return None
    try:
        return os.read(fd, 256).decode("ascii", "replace")
    finally:
        os.close(fd)


def _unusable(path: str, problem: OSError) -> StateUnusable:
    error = StateUnusable(f"cannot use the state directory {path}: {problem.strerror}")
    error.hint = (
        "choose another with --state DIR, or make it ours: its owner, its mode, a file system that is not read-only"
    )
    return error
