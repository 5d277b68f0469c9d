"""Keepers, from Python: how one comes into being. What it then does all its life is in csrc/keeper.c.

Three kinds: *exec'd* (a fresh interpreter, for handlers that can be imported), *forked from the caller* (for functions
of `__main__`, closures, lambdas), and *forked as the first act* of a program that is still small (`fork_keeper`).
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found, unused-ignore]  # `signal` brings enum: half a megabyte
import os
import sys

from pvsched._core import ffi, lib
from pvsched.errors import SchedulerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvsched.scheduler.registry import Registry

# argv: how many entries sys.path has, those, and the modules to import ahead
_START = (
    "import sys;n=2+int(sys.argv[1]);sys.path[:]=sys.argv[2:n];"
    "import pvsched.scheduler.keeper as keeper;keeper.main(sys.argv[n:])"
)


class Keeper:
    """A keeper that was made ahead, to be given to one `Scheduler(keeper=...)`, which then owns its descriptor."""

    __slots__ = ("fd", "modules")

    def __init__(self, fd: int, modules: Sequence[str]) -> None:
        self.fd = fd
        self.modules = tuple(modules)

    def take(self) -> int:
        """Hand the descriptor over, once. Raises SchedulerError if it was taken before."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            raise SchedulerError("this keeper already serves a scheduler", hint="make one keeper for each scheduler")
        return fd

    def close(self) -> None:
        """Let the keeper go, if no scheduler has taken it: it reads EOF and leaves."""
        if self.fd >= 0:
            os.close(self.take())


def fork_keeper(modules: Sequence[str] = ()) -> Keeper:
    """Fork a keeper from this process, which should still be small and have one thread. It imports `modules` itself."""
    return Keeper(_fork(None, modules), modules)


def fork_from_caller(registry: Registry) -> int:
    """Fork a keeper that sees this process as it is now; return the supervisor's end of its channel."""
    return _fork(registry, ())


def exec_keeper(modules: Sequence[str]) -> int:
    """Start a keeper in a fresh interpreter with our sys.path; return the supervisor's end of its channel."""
    if not sys.executable:
        raise SchedulerError(
            "sys.executable is empty: no interpreter to start a keeper with",
            hint="set sys.executable, or make the keeper with fork_keeper() and pass it as keeper=",
        )
    arguments = [sys.executable, "-c", _START, str(len(sys.path)), *sys.path, *modules]
    held = [ffi.new("char[]", os.fsencode(text)) for text in arguments]
    held_env = [ffi.new("char[]", key + b"=" + value) for key, value in os.environb.items()]
    argv = ffi.new("char *[]", [*held, ffi.NULL])
    envp = ffi.new("char *[]", [*held_env, ffi.NULL])
    fd = ffi.new("int *")
    _check(lib.pvs_keeper_exec(argv, envp, fd), "a keeper could not be started")
    return int(fd[0])


def main(modules: Sequence[str]) -> None:
    """Be the exec'd keeper, whose channel is descriptor 3. Does not return."""
    _live(3, None, modules)


def _check(status: int, what: str) -> None:
    if status < 0:
        raise SchedulerError(f"{what}: {os.strerror(-status)}", code="keeper-failed")


def _fork(registry: Registry | None, modules: Sequence[str]) -> int:
    ends = ffi.new("int[2]")
    _check(lib.pvs_keeper_pair(ends), "a channel for a keeper could not be made")
    ours, its = ends[0], ends[1]
    try:
        status = _fork_twice(its, registry, modules)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(its)
    if status:
        os.close(ours)
        _check(-status, "a keeper could not be forked")
    return int(ours)


def _fork_twice(fd: int, registry: Registry | None, modules: Sequence[str]) -> int:
    """Fork the keeper as a grandchild; return 0 or the errno of the second fork. The child never returns."""
    import warnings

    with _SigchldHeldBack() as held, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork; the docs name that hazard
        pid = os.fork()
        if pid == 0:
            try:
                if os.fork() == 0:
                    _live(fd, registry, modules)
                os._exit(0)
            except OSError as error:
                os._exit(error.errno or 111)
            finally:
                os._exit(111)
        held.own = pid
        try:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            return 0  # the host ignores SIGCHLD, or its handler in another thread was faster


class _SigchldHeldBack:
    """Keeps the intermediate's SIGCHLD from the host's handler, and loses none that another child has raised."""

    def __init__(self) -> None:
        self.own = 0

    def __enter__(self) -> _SigchldHeldBack:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        return self

    def __exit__(self, *exception: object) -> None:
        if signal.SIGCHLD not in self._before:
            information = signal.sigtimedwait({signal.SIGCHLD}, 0)
            # signals of one number merge: one of another child may have been dropped behind ours
            if information is not None and (information.si_pid != self.own or _a_child_waits()):
                os.kill(os.getpid(), signal.SIGCHLD)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def _a_child_waits() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def _live(fd: int, registry: Registry | None, modules: Sequence[str]) -> None:
    """The keeper's life, and that of every worker forked from it. Ends the process."""
    code = 111
    try:
        _settle(fd)
        _preload(modules)
        import gc

        import pvsched.scheduler.worker as worker_module

        # no collection first: it would write to, and so copy, each page that is shared with whom this was forked from
        gc.freeze()  # nor does one in a worker touch these pages then
        handle = ffi.new("pvs_worker **")
        status = lib.pvs_keeper_main(fd, lib.pvs_python_hooks(), handle)
        if status == 1:
            worker_module.live(handle[0], registry)
        code = 0 if status == 0 else 111
    finally:
        os._exit(code)


def _settle(fd: int) -> None:
    """Leave the caller's terminal, descriptors and signal handlers behind."""
    if fd != 3 or os.getpid() != os.getsid(0):
        try:
            os.setsid()
        except PermissionError:
            pass  # the exec'd one leads its session already
    os.closerange(3, fd)
    os.closerange(fd + 1, max(os.sysconf("SC_OPEN_MAX"), fd + 1))
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _preload(modules: Sequence[str]) -> None:
    for module in modules:
        try:
            __import__(module)
        except BaseException:  # the worker that needs it says unknown-handler, with the traceback
            pass
