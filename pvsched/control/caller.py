"""Who is at the other end of a connection: the host, a known container, or nobody we know.

The kernel names the peer's process (SO_PEERCRED), and its cgroup names the container. Between the two the process may
die and its number be used again, by a process of the host at worst; where the kernel has SO_PEERPIDFD (Linux 6.5) a
descriptor of the very process is taken first and asked, after the cgroup was read, whether that process still lives.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Protocol

SO_PEERPIDFD = 77
HOST_CGROUPS = ("/user.slice", "/system.slice", "/init.scope")
_CREDENTIALS = struct.Struct("3i")
_PROC_SIZE = 16 * 1024


class Caller:
    """Who asks. `container` is None for the host; `privileged` callers may use every endpoint."""

    __slots__ = ("container", "pid", "privileged", "uid")

    def __init__(self, pid: int, uid: int, container: str | None, privileged: bool) -> None:
        self.pid = pid
        self.uid = uid
        self.container = container
        self.privileged = privileged


class Containers(Protocol):
    """What the containers' room answers: whether the named container has the role `mgmt`; None: there is none."""

    def privileged(self, name: str) -> bool | None: ...


class NoContainers:
    """The factory revision: there are none."""

    def privileged(self, name: str) -> bool | None:
        return None


class Identity:
    """What a connection's first look at its peer found: fixed for its life, while roles may change.

    `container` is None for the host; `known` is False for a peer of whom nothing can be said.
    """

    __slots__ = ("container", "known", "pid", "uid")

    def __init__(self, pid: int, uid: int, container: str | None, known: bool) -> None:
        self.pid = pid
        self.uid = uid
        self.container = container
        self.known = known


class Callers:
    """Finds callers. `cgroup_of(pid)` returns the text of /proc/PID/cgroup; tests inject it.
    `own_pid` names the daemon.
    """

    def __init__(
        self,
        cgroup_of: Callable[[int], str] | None = None,
        containers: Containers | None = None,
        host_cgroups: Sequence[str] = HOST_CGROUPS,
        own_pid: int | None = None,
    ) -> None:
        self._cgroup_of = cgroup_of if cgroup_of is not None else read_cgroup
        self._containers: Containers = containers if containers is not None else NoContainers()
        self.set_host_cgroups(host_cgroups)
        try:
            self._own = cgroup_path(self._cgroup_of(own_pid if own_pid is not None else os.getpid()))
        except OSError:
            self._own = None

    def set_host_cgroups(self, prefixes: Sequence[str]) -> None:
        """Whose cgroup is one of `prefixes`, or below one, is the host. Holds for connections accepted from now on."""
        self._prefixes = tuple(prefix.rstrip("/") for prefix in prefixes)

    def identify(self, sock: socket.socket) -> Identity:
        """Look at the peer of a connected unix socket, once, as soon as it is accepted.
        Never raises for a peer's sake.
        """
        pidfd = None
        try:
            pidfd = _peer_pidfd(sock)
            pid, uid, _gid = _CREDENTIALS.unpack(
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            container, known = self.place(self._cgroup_of(pid))
            # A zombie's cgroup is the root on older kernels: without this, dying would make a container the host.
            if _is_dead(pid) if pidfd is None else _has_exited(pidfd):
                known = False
        except OSError:
            return Identity(0, -1, None, False)
        finally:
            if pidfd is not None:
                os.close(pidfd)
        return Identity(pid, uid, container if known else None, known)

    def caller(self, identity: Identity) -> Caller | None:
        """The caller behind `identity` as things stand now; None is the recorded 500."""
        if not identity.known:
            return None
        if identity.container is None:
            return Caller(identity.pid, identity.uid, None, True)
        privileged = self._containers.privileged(identity.container)
        if privileged is None:
            return None
        return Caller(identity.pid, identity.uid, identity.container, privileged)

    def place(self, text: str) -> tuple[str | None, bool]:
        """(container or None, known) for the text of a cgroup file."""
        container = container_name(text)
        if container is not None:
            return container, True
        path = cgroup_path(text)
        if path is None:
            return None, False
        return None, path in ("/", self._own) or any(path == p or path.startswith(p + "/") for p in self._prefixes)


def container_name(text: str) -> str | None:
    """The container that a cgroup file speaks of, in any hierarchy; None if it speaks of none.

    After Pantavisor: what follows `/lxc/`, or, in the hierarchy `name=pantavisor`, the path itself. A container may
    make cgroups of its own below its own, so only the first segment names it, and of several the outermost.
    """
    for line in text.splitlines():
        path = line.split(":", 2)[-1]
        _before, mark, after = path.partition("/lxc/")
        if mark:
            return after.split("/", 1)[0] or None
        if ":name=pantavisor:" in line and path.strip("/"):
            return path.strip("/").split("/", 1)[0]
    return None


def cgroup_path(text: str) -> str | None:
    """The path that decides: in Pantavisor's own hierarchy, else in cgroup v2, else in systemd's of v1."""
    paths = {}
    for line in text.splitlines():
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths[controllers] = path
    for controllers in ("name=pantavisor", "", "name=systemd"):
        if paths.get(controllers, "").startswith("/"):
            return paths[controllers]
    return None


def read_cgroup(pid: int) -> str:
    """The text of /proc/PID/cgroup. Raises OSError for a process that is gone."""
    return _read_proc(pid, "cgroup")


def _read_proc(pid: int, name: str) -> str:
    """A file of /proc/PID. The kernel makes it in memory: no disk, and so allowed in the main loop."""
    fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, _PROC_SIZE).decode("utf-8", "surrogateescape")
    finally:
        os.close(fd)


def _peer_pidfd(sock: socket.socket) -> int | None:
    """A pidfd of the peer, or None on a kernel that has none to give.
    Raises OSError for a peer that is gone already.
    """
    try:
        return sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError as error:
        if error.errno == errno.ENOPROTOOPT:
            return None
        raise


def _has_exited(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _is_dead(pid: int) -> bool:
    """Whether a process is a zombie, or less. Its name stands in parentheses and may hold anything: look behind it."""
    return _read_proc(pid, "stat").rpartition(")")[2].split()[0] in "ZXx"
