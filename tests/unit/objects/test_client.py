"""The lent socket: its flags stay as they are, and no wait is without end."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvsched.objects.client import Cancelled, Client, ClientLeft
from pvsched.objects.pace import Pace, TooSlow

CONTENT = bytes(range(256)) * 4096  # 1 MiB, more than a socket holds


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's end, and the lent one."""
    peer, lent = socket.socketpair()
    with peer, lent:
        yield peer, lent


def client(lent: socket.socket, pace: Pace | None = None) -> Client:
    """A client that is never cancelled."""
    return Client(lent.fileno(), pace or Pace(20, 0), lambda: False)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_file_is_sent_whole_and_the_flags_stay(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path, blocking: bool
) -> None:
    """Whether the loop's socket blocks or not, the file arrives and the flag is what it was."""
    peer, lent = pair
    lent.setblocking(blocking)
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    received = bytearray()

    def receive() -> None:
        while len(received) < len(CONTENT) - 1000:
            received.extend(peer.recv(65536))

    reader = threading.Thread(target=receive)
    reader.start()
    fd = os.open(path, os.O_RDONLY)
    with client(lent) as sending:
        sending.send_file(fd, 1000, len(CONTENT) - 1000)
    os.close(fd)
    reader.join()
    assert bytes(received) == CONTENT[1000:]
    assert os.get_blocking(lent.fileno()) == blocking
    assert lent.send(b"x") == 1, "the descriptor is given back, not closed"


@pytest.mark.parametrize("blocking", [True, False])
def test_a_file_that_is_shorter_than_promised_is_noticed(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path, blocking: bool
) -> None:
    """A file that was truncated meanwhile is no end of the body."""
    _, lent = pair
    lent.setblocking(blocking)
    path = tmp_path / "file"
    path.write_bytes(b"short")
    fd = os.open(path, os.O_RDONLY)
    with client(lent) as sending, pytest.raises(EOFError):
        sending.send_file(fd, 0, 100)
    os.close(fd)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_wait_ends_when_the_task_is_cancelled(pair: tuple[socket.socket, socket.socket], blocking: bool) -> None:
    """Neither reading nor sending waits on for a client while the task is to stop."""
    _, lent = pair
    lent.setblocking(blocking)
    answers = iter([False, True, False, True])
    with Client(lent.fileno(), Pace(20, 0), lambda: next(answers)) as stopped:
        with pytest.raises(Cancelled):
            stopped.receive_into(memoryview(bytearray(1)))
        with pytest.raises(Cancelled):
            stopped.send(CONTENT)


def test_a_wait_ends_when_the_client_is_too_slow(pair: tuple[socket.socket, socket.socket]) -> None:
    """Nothing for the time allowed: the transfer ends, and no worker is lost to it."""
    now = iter(range(0, 1000, 5))
    with client(pair[1], Pace(10, 0, lambda: float(next(now)))) as slow, pytest.raises(TooSlow):
        slow.receive_into(memoryview(bytearray(1)))


def test_a_client_that_closes_has_left(pair: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    """An end, a reset and a broken pipe are all the same to us, and none is a signal."""
    peer, lent = pair
    lent.setblocking(False)
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    fd = os.open(path, os.O_RDONLY)
    lent.send(b"unread")
    peer.close()
    with client(lent) as left:
        for attempt in (
            lambda: left.receive_into(memoryview(bytearray(1))),
            lambda: left.peek(1),
            lambda: left.send(b"x"),
            lambda: left.send_file(fd, 0, 10),
        ):
            with pytest.raises(ClientLeft):
                attempt()
    os.close(fd)


def test_no_signal_ends_a_worker_whose_client_has_left(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    """Workers start with the default action of SIGPIPE, which is death; sendfile() cannot be told not to raise it."""
    peer, lent = pair
    lent.setblocking(False)
    peer.close()
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        fd = os.open(path, os.O_RDONLY)
        try:
            with client(lent) as left:
                left.send_file(fd, 0, 10)
        except ClientLeft:
            os._exit(7 if signal.SIGPIPE not in signal.pthread_sigmask(signal.SIG_BLOCK, ()) else 8)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_looking_takes_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    """What was peeked at can still be read."""
    peer, lent = pair
    peer.send(b"abc")
    with client(lent) as looking:
        assert looking.readable()
        assert looking.peek(2) == b"ab"
        buffer = memoryview(bytearray(10))
        assert looking.receive_into(buffer) == 3
        assert not looking.readable()
