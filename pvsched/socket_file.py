"""The control socket's file: made with the right mode from its first moment, never stolen from a living daemon."""

from __future__ import annotations

import os
import socket
import stat

from pvsched.errors import PvschedError

BACKLOG = 128


class SocketInUse(PvschedError):
    """Somebody answers on that path."""

    code = "socket-in-use"
    hint = "stop the other daemon, or start with another --socket"


class SocketUnusable(PvschedError):
    """The socket cannot be made there."""

    code = "socket-unusable"
    hint = "choose another path with --socket; its directory must be ours to write"


class SocketFile:
    """A listening unix socket and the file, and perhaps the link, that lead to it. Start-up and shut-down only."""

    def __init__(self, sock: socket.socket, path: str, identity: tuple[int, int] | None) -> None:
        self.sock = sock
        self.path = path
        self.link = ""
        self._identity = identity

    @classmethod
    def listen(cls, path: str, mode: int, group: str) -> SocketFile:
        """Binds and listens. A file without a living server behind it is replaced.

        `group` is a name, a number, or "" for our own. Raises SocketInUse or SocketUnusable.
        """
        if answers(path):
            raise SocketInUse(f"another server answers on {path}")
        directory = os.path.dirname(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            os.makedirs(directory, mode=0o755, exist_ok=True)
            if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise SocketUnusable(f"{path} exists and is not a socket")
            identity = _bind(sock, directory, path, mode, group_number(group))
        except OSError as problem:
            sock.close()
            raise SocketUnusable(f"cannot listen on {path}: {problem.strerror}") from None
        except PvschedError:
            sock.close()
            raise
        return cls(sock, path, identity)

    @classmethod
    def passed(cls, fd: int) -> SocketFile:
        """A socket that the service manager opened; its file is not ours to remove. Raises SocketUnusable."""
        try:
            sock = socket.socket(fileno=fd)
        except OSError as problem:
            raise SocketUnusable(f"descriptor {fd} was passed as a socket, but: {problem.strerror}") from None
        listening = sock.family == socket.AF_UNIX and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if not listening or sock.type != socket.SOCK_STREAM:
            sock.detach()
            raise SocketUnusable(f"descriptor {fd} was passed, but is no listening unix stream socket")
        sock.setblocking(False)
        return cls(sock, str(sock.getsockname()), None)

    def make_link(self, link: str) -> str:
        """Puts a symbolic link to the socket at `link`, unless somebody else answers there. Returns "" or why it was
        not made. One that leads to us already was left by a daemon that was killed, and is ours now.
        """
        if _target(link) == self.path:
            self.link = link
            return ""
        if answers(link):
            return "another server answers there"
        try:
            if os.path.lexists(link) and not os.path.islink(link) and not stat.S_ISSOCK(os.lstat(link).st_mode):
                return "something else is there"
            os.makedirs(os.path.dirname(link), mode=0o755, exist_ok=True)
            temporary = f"{link}.{os.getpid()}"
            os.symlink(self.path, temporary)
            os.rename(temporary, link)
        except OSError as problem:
            return problem.strerror or str(problem)
        self.link = link
        return ""

    def remove(self) -> None:
        """Takes away the link and the file, if they are still the ones that we made. The socket itself stays open."""
        try:
            if self.link and os.readlink(self.link) == self.path:
                os.unlink(self.link)
        except OSError:
            pass
        self.link = ""
        try:
            if self._identity is not None and _identity(self.path) == self._identity:
                os.unlink(self.path)
        except OSError:
            pass
        self._identity = None

    def close(self) -> None:
        """Closes the socket: clients that connect from now on are refused. Idempotent."""
        self.sock.close()


def answers(path: str) -> bool:
    """True if a server accepts connections at `path` (which may be a link). Never waits: a full backlog is an answer,
    too.
    """
    directory, name = os.path.split(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
        try:
            parent = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return False
        try:
            sock.connect(f"/proc/self/fd/{parent}/{name}")
        except BlockingIOError:
            return True
        except PermissionError:
            return True  # alive or not, it belongs to somebody else
        except OSError:
            return False
        finally:
            os.close(parent)
    return True


def group_number(group: str) -> int:
    """The number of a group given by name or number; -1 (unchanged) for "". Raises SocketUnusable."""
    if not group:
        return -1
    if group.isdigit():
        return int(group)
    import grp

    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        error = SocketUnusable(f"control.group: there is no group {group!r}")
        error.hint = f"groupadd --system {group}, or set control.group to one that exists"
        raise error from None


def _bind(sock: socket.socket, directory: str, path: str, mode: int, group: int) -> tuple[int, int]:
    """Binds under a name of our own, sets mode and group, listens, and only then takes the final name.

    So a client never meets a socket that refuses it, or one whose mode is not the right one yet. Through the
    directory's descriptor, because sun_path holds 107 bytes and paths may be longer.
    """
    temporary = f".pv-ctrl.{os.getpid()}"
    parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _unlink(temporary, parent)
        sock.bind(f"/proc/self/fd/{parent}/{temporary}")
        try:
            os.chmod(temporary, mode, dir_fd=parent)
            if group >= 0:
                _give(temporary, parent, group)
            sock.listen(BACKLOG)
            os.rename(temporary, os.path.basename(path), src_dir_fd=parent, dst_dir_fd=parent)
        except (OSError, PvschedError):
            _unlink(temporary, parent)
            raise
    finally:
        os.close(parent)
    return _identity(path)


def _give(name: str, directory: int, group: int) -> None:
    """Gives the file to a group, unless that has it already: a sandbox may allow no chown() at all, needed or not."""
    if os.stat(name, dir_fd=directory, follow_symlinks=False).st_gid == group:
        return
    try:
        os.chown(name, -1, group, dir_fd=directory)
    except OSError as problem:
        error = SocketUnusable(f"control.group: the socket cannot be given to group {group}: {problem.strerror}")
        error.hint = "be root, or a member of the group; under systemd SupplementaryGroups= and SystemCallFilter=@chown"
        raise error from None


def _unlink(name: str, directory: int) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def _target(link: str) -> str | None:
    try:
        return os.readlink(link)
    except OSError:
        return None


def _identity(path: str) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino
