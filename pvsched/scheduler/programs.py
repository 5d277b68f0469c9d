"""A program run inline, with workers=0: the same document as from a worker, without one."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading

from pvsched.scheduler.local_task import Answer, LocalTask
from pvsched.scheduler.outcome import EXEC_FAILED, EXIT_STATUS, FAILED, SUCCEEDED, WORKER_DIED
from pvsched.scheduler.payload import read_exec


class Program:
    """What a finished program leaves besides its result."""

    __slots__ = ("errno", "exit_kind", "exit_value", "pid", "stderr", "stdout", "truncated")

    def __init__(self) -> None:
        self.errno = 0
        self.pid = 0
        self.exit_kind = 0
        self.exit_value = 0
        self.stdout = b""
        self.stderr = b""
        self.truncated = False


_TURN_MS = 20  # how soon a drain sees that its program has ended
_LEFT_IN_A_PIPE = 1 << 20  # at most, once the program has ended


class _Drain(threading.Thread):
    """Reads a descriptor and keeps the first `limit` bytes: to its end, or to what is there when the program is `over`.

    What left the program's session may hold the other end for ever.
    """

    def __init__(self, fd: int, limit: int) -> None:
        super().__init__(daemon=True)
        self._fd = fd
        self._limit = limit
        self.kept = b""
        self.truncated = False
        self.over = False
        self.start()

    def run(self) -> None:
        poll, left = select.poll(), _LEFT_IN_A_PIPE
        poll.register(self._fd, select.POLLIN)
        while left > 0:
            over = self.over
            if not poll.poll(0 if over else _TURN_MS):
                if over:
                    break
                continue
            piece = os.read(self._fd, 65536)
            if not piece:
                break
            room = self._limit - len(self.kept)
            self.kept += piece[:room]
            self.truncated |= len(piece) > room
            left -= len(piece) if over else 0
        os.close(self._fd)


def _feed(fd: int, data: bytes) -> None:
    with os.fdopen(fd, "wb", 0) as stream:
        try:
            view = memoryview(data)
            while view:
                view = view[stream.write(view) :]
        except BrokenPipeError:
            pass


class _Pipes:
    """Four pipes: stdin, stdout, stderr, result; our ends and the program's."""

    def __init__(self) -> None:
        self.ours: list[int] = []
        self.its: list[int] = []
        try:
            for direction in (1, 0, 0, 0):
                pair = os.pipe()
                self.ours.append(pair[direction])
                self.its.append(pair[1 - direction])
        except OSError:
            self.close(self.ours)
            self.close(self.its)
            raise

    def close(self, ends: list[int]) -> None:
        while ends:
            os.close(ends.pop())


def run_program(task: LocalTask) -> Answer:
    """Run the program of an exec task to its end, in the caller's thread. Raises OSError if there are no pipes."""
    argv, env, cwd, stdin = read_exec(task.payload)
    program, pipes = Program(), _Pipes()
    given = [pipes.its[3], *task.fds]
    try:
        process = subprocess.Popen(
            argv,
            env=_renumber(env, given),
            cwd=cwd,
            stdin=pipes.its[0],
            stdout=pipes.its[1],
            stderr=pipes.its[2],
            pass_fds=given,
            start_new_session=True,
        )
    except OSError as error:
        pipes.close(pipes.ours)
        program.errno = error.errno or 0
        return Answer(FAILED, EXEC_FAILED, None, program)
    finally:
        pipes.close(pipes.its)
    return _attend(task, process, pipes.ours, stdin, program)


def _attend(
    task: LocalTask, process: subprocess.Popen[bytes], ours: list[int], stdin: bytes, program: Program
) -> Answer:
    """Feed the program, keep what it writes, wait for it, and end what it leaves behind."""
    output = task.rules.merged["output_limit"]
    drains = [_Drain(fd, limit) for fd, limit in zip(ours[1:], (output, output, task.rules.result_limit))]
    feeder = threading.Thread(target=_feed, args=(ours[0], stdin), daemon=True)
    feeder.start()
    status = process.wait()
    if not task.rules.merged["survive"]:
        _kill_group(process.pid)
    for drain in drains:
        drain.over = True
    for drain in drains:
        drain.join()
    feeder.join(_TURN_MS / 1000)  # one that cannot be fed to the end goes with who holds the other end
    return _judge(program, process.pid, status, drains)


def _renumber(env: dict[bytes, bytes], given: list[int]) -> dict[bytes, bytes]:
    """Name the descriptors as they are numbered here; only a keeper gives a program 3, 4, 5."""
    env[b"PVSCHED_RESULT_FD"] = b"%d" % given[0]
    if b"PVSCHED_FDS" in env:
        names = [pair.partition(b":")[0] for pair in env[b"PVSCHED_FDS"].split(b",")]
        env[b"PVSCHED_FDS"] = b",".join(b"%s:%d" % pair for pair in zip(names, given[1:]))
    return env


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _judge(program: Program, pid: int, status: int, drains: list[_Drain]) -> Answer:
    out, err, result = drains
    program.pid = pid
    program.stdout, program.stderr = out.kept, err.kept
    program.truncated = out.truncated or err.truncated
    program.exit_kind, program.exit_value = (2, -status) if status < 0 else (1, status)
    if result.truncated:
        return _too_large(program)
    if status:
        return Answer(FAILED, WORKER_DIED if status < 0 else EXIT_STATUS, None, program)
    return Answer(SUCCEEDED, 0, result.kept or None, program)


def _too_large(program: Program) -> Answer:
    from pvsched._core import lib

    return Answer(FAILED, int(lib.PVS_R_RESULT_TOO_LARGE), None, program)
