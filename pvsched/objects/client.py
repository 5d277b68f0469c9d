"""The client's socket while a worker has it: it waits with poll() and never changes the socket's flags.

The flags belong to the open file that the main loop shares; every call asks for MSG_DONTWAIT of its own instead.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pvsched.objects.pace import Pace

# How long a wait may go on without asking whether the task was cancelled: poll() resumes by itself after SIGTERM.
SLICE = 0.2
BLOCK = 128 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Cancelled(Exception):
    """The task was cancelled: stop, and leave nothing behind."""


class ClientLeft(Exception):
    """The client closed before it had sent, or taken, all."""


@contextmanager
def _no_broken_pipe_signal() -> Iterator[None]:
    """Keeps SIGPIPE from ending the process: sendfile() has no MSG_NOSIGNAL, and workers start with SIG_DFL."""
    pipe = {signal.SIGPIPE}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, pipe)
    try:
        yield
    finally:
        # it was raised for this thread, and would be delivered now
        while signal.sigtimedwait(pipe, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Client:
    """The lent socket `fd`, which stays the caller's. Raises Cancelled and TooSlow from every wait.

    `cancelled` is the task context's. A context manager: at its end the descriptor is given back, not closed.
    """

    def __init__(self, fd: int, pace: Pace, cancelled: Callable[[], bool]) -> None:
        self._socket = socket.socket(fileno=fd)
        self._fd = fd
        self._pace = pace
        self._cancelled = cancelled
        self._poll = select.poll()
        self._poll.register(fd, 0)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.detach()

    def check(self) -> None:
        """Raises Cancelled if the task was."""
        if self._cancelled():
            raise Cancelled

    def readable(self) -> bool:
        """True if bytes, or the end, can be read at once."""
        self._poll.modify(self._fd, select.POLLIN)
        return bool(self._poll.poll(0))

    def receive_into(self, view: memoryview) -> int:
        """Reads what is there, 1 to `len(view)` bytes; returns how many. Raises ClientLeft at the end."""
        while True:
            try:
                count = self._socket.recv_into(view, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait(select.POLLIN)
                continue
            except ConnectionError as error:
                raise ClientLeft from error
            if count == 0:
                raise ClientLeft
            self._pace.moved(count)
            return count

    def peek(self, limit: int) -> bytes:
        """Looks at what is there, at least one byte, and leaves it. Raises ClientLeft at the end."""
        while True:
            try:
                seen = self._socket.recv(limit, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            except BlockingIOError:
                self._wait(select.POLLIN)
                continue
            except ConnectionError as error:
                raise ClientLeft from error
            if not seen:
                raise ClientLeft
            return seen

    def send(self, data: bytes | memoryview) -> None:
        """Sends all of `data`. Raises ClientLeft."""
        view = memoryview(data)
        while view:
            try:
                count = self._socket.send(view, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._wait(select.POLLOUT)
                continue
            except ConnectionError as error:
                raise ClientLeft from error
            self._pace.moved(count)
            view = view[count:]

    def send_file(self, fd: int, start: int, length: int) -> None:
        """Sends `length` bytes of a file from `start`. Raises ClientLeft; EOFError if the file is shorter."""
        # sendfile() takes no MSG_DONTWAIT: on a socket that blocks it would wait beyond cancel and pace
        if os.get_blocking(self._fd):
            self._copy_file(fd, start, length)
            return
        with _no_broken_pipe_signal():
            self._send_file(fd, start, start + length)

    def _send_file(self, fd: int, start: int, end: int) -> None:
        while start < end:
            try:
                count = os.sendfile(self._fd, fd, start, min(end - start, 1 << 24))
            except BlockingIOError:
                self._wait(select.POLLOUT)
                continue
            except ConnectionError as error:
                raise ClientLeft from error
            if count == 0:
                raise EOFError
            self._pace.moved(count)
            start += count
            self.check()

    def _copy_file(self, fd: int, start: int, length: int) -> None:
        end = start + length
        while start < end:
            block = os.pread(fd, min(end - start, BLOCK), start)
            if not block:
                raise EOFError
            self.send(block)
            start += len(block)

    def _wait(self, events: int) -> None:
        """Sleeps until one of `events`, a hang-up, or the end of a slice; the caller then tries again."""
        self.check()
        longest = self._pace.waiting()
        self._poll.modify(self._fd, events)
        self._poll.poll(max(1, round(min(longest, SLICE) * 1000)))
        self._pace.waited()
