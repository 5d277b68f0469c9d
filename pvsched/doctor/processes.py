"""What the core stands on: processes by descriptor, trees of them, and descriptors that wake the main loop."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket

from pvsched.doctor import calls
from pvsched.doctor.probe import BETTER, BOOT, KERNEL, NEEDED, NOTE, Lacks, Probe

SO_PEERPIDFD = 77
NO_FD = 0x7FFFFFFF


def descriptors() -> str:
    """Each is made, and let go of."""
    os.close(os.eventfd(0, os.EFD_CLOEXEC))
    os.close(calls.libc("timerfd_create", 1, os.O_CLOEXEC))
    address, held = calls.address(128)
    os.close(calls.libc("signalfd", -1, address, os.O_CLOEXEC))
    del held
    select.epoll().close()
    return "epoll, eventfd, signalfd, timerfd"


def unix_sockets() -> str:
    """A descriptor travels over a SEQPACKET pair, as from the daemon to its keeper."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        socket.send_fds(left, [b"x"], [left.fileno()])
        for fd in socket.recv_fds(right, 1, 1)[1]:
            os.close(fd)
        right.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return "descriptors travel, peers are named"


def proc() -> str:
    """/proc is mounted, and knows us."""
    if not os.path.exists("/proc/self/stat"):
        raise Lacks("/proc is not mounted", advice=((BOOT, "mount -t proc proc /proc"), (KERNEL, "CONFIG_PROC_FS=y")))
    try:
        if os.path.exists("/proc/self/cgroup"):  # else the kernel has no cgroups, of which the probe cgroup-v2 tells
            os.close(os.open("/proc/1/cgroup", os.O_RDONLY))
    except OSError:
        cost = "callers of other users on the control socket are refused: nobody can tell whether they are containers"
        advice = ((BOOT, "mount -o remount,hidepid=0 /proc"),)
        raise Lacks("other users' processes are hidden (hidepid)", cost=cost, advice=advice, role=BETTER) from None
    return "mounted, and shows everybody's processes"


def pidfd() -> str:
    """A child is signalled and waited for by its descriptor."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        fd = calls.syscall(calls.PIDFD_OPEN, pid, 0)
        try:
            calls.syscall(calls.PIDFD_SEND_SIGNAL, fd, signal.SIGKILL, 0, 0)
            if not select.select([fd], [], [], 1.0)[0]:
                raise Lacks("the descriptor does not tell of the death")
        finally:
            os.close(fd)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return "a child was ended and watched by descriptor"


def children() -> str:
    """The kernel names the children of a process."""
    path = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    try:
        os.close(os.open(path, os.O_RDONLY))
    except FileNotFoundError:
        raise Lacks("/proc/PID/task/TID/children is not there") from None
    return "/proc/PID/task/TID/children"


def subreaper() -> str:
    """An orphan of ours comes back to us."""
    calls.libc("prctl", calls.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            os.close(writer)
            os.read(reader, 1)
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    os.close(reader)
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        raise Lacks("an orphan did not come back") from None
    return "orphans come back"


def close_range() -> str:
    return calls.exists(calls.CLOSE_RANGE, 1 << 30, 1 << 30, 1 << 20)


def memfd() -> str:
    try:
        os.close(os.memfd_create("pvsched-doctor"))
    except OSError as problem:
        try:
            os.close(os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR, 0o600))
        except OSError:
            where = ((BOOT, "mount -t tmpfs tmpfs /dev/shm"), (KERNEL, "CONFIG_MEMFD_CREATE=y, CONFIG_TMPFS=y"))
            cost = "the core has no memory to share with its workers: it does not start"
            raise Lacks("neither memfd_create nor /dev/shm", cost=cost, advice=where, role=NEEDED) from None
        raise Lacks(f"memfd_create: {problem.strerror}") from None
    return "memory without a name can be shared"


def peer_pidfd() -> str:
    left, right = socket.socketpair()
    with left, right:
        try:
            os.close(left.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD))
        except OSError as problem:
            if problem.errno == errno.ENOPROTOOPT:
                raise Lacks("SO_PEERPIDFD came with Linux 6.5") from None
            raise
    return "SO_PEERPIDFD"


def short_slice() -> str:
    """The core can ask; since 6.12 the kernel listens."""
    from pvsched._core import lib

    error = lib.pvs_short_slice(100_000)
    if error:
        raise OSError(-error, os.strerror(-error))
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
    if release < (6, 12):
        raise Lacks(f"Linux {os.uname().release}; it came with 6.12")
    return "short turns on the processor"


PROBES = (
    Probe(
        "descriptors", NEEDED, descriptors, "the daemon does not start",
        tuple((KERNEL, f"CONFIG_{name}=y") for name in ("EPOLL", "EVENTFD", "SIGNALFD", "TIMERFD")),
    ),
    Probe("unix-sockets", NEEDED, unix_sockets, "the daemon does not start", ((KERNEL, "CONFIG_UNIX=y"),)),
    Probe("proc", NEEDED, proc, "trees of processes cannot be found", ((KERNEL, "CONFIG_PROC_FS=y"),)),
    Probe(
        "pidfd", BETTER, pidfd,
        "tasks are killed by pid, through the keeper: later, and after a second look at whose child it is",
        ((KERNEL, "Linux 5.3 or later; no option"),),
    ),
    Probe(
        "children", BETTER, children, "all of /proc is read to find what a task has started",
        ((KERNEL, "CONFIG_PROC_CHILDREN=y"),),
    ),
    Probe(
        "subreaper", BETTER, subreaper,
        "a process that calls setsid and outlives its parent is lost to us, if there is no cgroup v2",
        ((KERNEL, "Linux 3.4 or later; some emulators (qemu-user) refuse it"),),
    ),
    Probe(
        "close_range", BETTER, close_range, "a new process closes its descriptors one by one",
        ((KERNEL, "Linux 5.9 or later; no option"),),
    ),
    Probe(
        "memfd", BETTER, memfd, "files without a name in /dev/shm and /tmp carry what workers share",
        ((KERNEL, "CONFIG_MEMFD_CREATE=y"), (KERNEL, "CONFIG_TMPFS=y")),
    ),
    Probe(
        "peer-pidfd", BETTER, peer_pidfd,
        "a caller that dies at the right moment may be taken for another process with its number",
        ((KERNEL, "Linux 6.5 or later; no option"),),
    ),
    Probe(
        "short-slice", BETTER, short_slice, "small answers may wait some milliseconds for what computes",
        ((KERNEL, "Linux 6.12 or later; no option"),),
    ),
    Probe(
        "clone3", NOTE, lambda: calls.exists(calls.CLONE3, 0, 0), "nothing: clone is used",
        ((KERNEL, "Linux 5.3 or later; no option"),),
    ),
    Probe(
        "epoll_pwait2", NOTE, lambda: calls.exists(calls.EPOLL_PWAIT2, NO_FD, 0, 0), "nothing: a timerfd is used",
        ((KERNEL, "Linux 5.11 or later; no option"),),
    ),
    Probe(
        "openat2", NOTE, lambda: calls.exists(calls.OPENAT2, NO_FD, 0, 0, 0), "nothing: a name is one component",
        ((KERNEL, "Linux 5.6 or later; no option"),),
    ),
)  # fmt: skip
