"""The log never blocks, never shows a secret, and never writes one record as two lines."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvsched.log import BACKLOG_LIMIT, RECORD_LIMIT, Log, resolved_format

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe as stderr."""
    ends = os.pipe2(os.O_CLOEXEC)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


def made(pipe: Pipe, format: str = "plain", level: str = "info") -> Log:
    return Log(level, format, fd=pipe[1], environ={}, clock=lambda: 1700000000.25)


def read(pipe: Pipe) -> str:
    return os.read(pipe[0], 1 << 20).decode()


def filled(fd: int) -> None:
    """Writes until the pipe takes no more."""
    os.set_blocking(fd, False)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(fd, True)


def test_a_plain_record_is_one_line(pipe: Pipe) -> None:
    """Time in UTC, level, message, fields; values that need it are quoted."""
    made(pipe).info("listening", path="/run/x", who="a b", n=3, none=None)
    assert read(pipe) == '2023-11-14T22:13:20.250Z info    listening path=/run/x who="a b" n=3 none=null\n'


def test_line_ends_cannot_forge_a_record(pipe: Pipe) -> None:
    """What a client sent stands in one line, whatever it holds."""
    made(pipe).warning("bad\nname", name="x\n2023 error forged\x1b[2J")
    text = read(pipe)
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_a_json_record_is_one_object(pipe: Pipe) -> None:
    """A field cannot overwrite time, level or message."""
    made(pipe, "json").error("failed", code="x", level="forged", path=Path("/p"))
    assert json.loads(read(pipe)) == {
        "time": "2023-11-14T22:13:20.250Z", "level": "error", "message": "failed", "code": "x", "path": "/p",
    }  # fmt: skip


@pytest.mark.parametrize("format", ["plain", "json"])
def test_secrets_are_masked(pipe: Pipe, format: str) -> None:
    """By the field's name, in the message, and in a field's text."""
    made(pipe, format).info("got token=abc1", api_token="abc2", url="http://u:abc3@h/")
    assert "abc" not in read(pipe)


def test_records_below_the_level_cost_nothing_and_are_not_written(pipe: Pipe) -> None:
    """set_level changes that at once."""
    log = made(pipe)
    log.debug("one")
    log.set_level("debug")
    log.debug("two")
    log.set_level("error")
    log.warning("three")
    assert not log.enabled("warning")
    log.fatal("four")
    assert [line.split()[2] for line in read(pipe).splitlines()] == ["two", "four"]


@pytest.mark.parametrize("format", ["plain", "json"])
def test_a_record_is_never_longer_than_a_pipe_takes_at_once(pipe: Pipe, format: str) -> None:
    """PIPE_BUF bytes are written whole or not at all; a cut JSON record is still JSON."""
    made(pipe, format).info("x" * 3000, y="z" * 9000)
    text = read(pipe)
    assert len(text) <= RECORD_LIMIT
    assert text.endswith("\n")
    if format == "json":
        assert json.loads(text)["cut"] is True


def test_a_reader_that_stands_still_stops_nobody(pipe: Pipe) -> None:
    """What is not taken waits, in order; what does not fit is dropped, and counted in a record of its own."""
    log = made(pipe)
    calls: list[int] = []
    log.stopped = lambda: calls.append(1)
    filled(pipe[1])
    for number in range(BACKLOG_LIMIT + 7):
        log.info("r", number=number)
    assert log.dropped == 7
    assert len(calls) == BACKLOG_LIMIT
    assert not log.flush()
    while not log.flush():
        read(pipe)
    tail = ""
    while not tail.endswith("records=7\n"):
        tail += read(pipe)
    lines = [line for line in tail.splitlines() if "number=" in line]
    assert lines[-1].endswith(f"number={BACKLOG_LIMIT - 1}")
    assert log.dropped == 0


def test_a_reader_that_has_gone_is_no_error(pipe: Pipe) -> None:
    """A daemon whose terminal is closed lives on; the records go nowhere."""
    log = made(pipe)
    os.close(pipe[0])
    log.info("x")
    assert log.flush()


def test_the_journal_is_found_by_its_stream(pipe: Pipe) -> None:
    """JOURNAL_STREAM names device and inode; another stream's name means that stderr was redirected."""
    status = os.fstat(pipe[1])
    assert resolved_format("auto", pipe[1], {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}) == "journald"
    assert resolved_format("auto", pipe[1], {"JOURNAL_STREAM": f"{status.st_dev}:1"}) == "plain"
    assert resolved_format("auto", pipe[1], {}) == "plain"
    assert resolved_format("json", pipe[1], {}) == "json"


def test_a_journal_record_keeps_its_fields(tmp_path: Path, pipe: Pipe) -> None:
    """Native protocol: names and values, a value with a line end with its length; secrets masked."""
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        log = Log("info", "journald", fd=pipe[1], environ={}, journal=path)
        log.warning("two\nlines", lane="objects", token="abc", n=3)
        datagram = journal.recv(65536)
        log.close()
    assert b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n" in datagram
    assert b"PRIORITY=4\nSYSLOG_IDENTIFIER=pvsched\nPVSCHED_LANE=objects\n" in datagram
    assert b"abc" not in datagram
    assert datagram.endswith(b"PVSCHED_N=3\n")


def test_without_a_journal_records_go_to_stderr(tmp_path: Path, pipe: Pipe) -> None:
    """A wrong setting must not silence a daemon."""
    log = Log("info", "journald", fd=pipe[1], environ={}, journal=str(tmp_path / "absent"))
    log.info("here")
    assert " here" in read(pipe)


def test_a_full_journal_stops_nobody(tmp_path: Path, pipe: Pipe) -> None:
    """Datagrams that are not taken wait and go later."""
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        log = Log("info", "journald", fd=pipe[1], environ={}, journal=path)
        sent = 0
        while log.flush():
            log.info("x", n=sent)
            sent += 1
        for number in range(sent):
            assert b"PVSCHED_N=%d\n" % number in journal.recv(65536)
            log.flush()
        log.close()


def test_a_full_journal_is_waited_for_at_its_own_socket(tmp_path: Path, pipe: Pipe) -> None:
    """To wait at stderr, which is always writable, would spin the loop."""
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        log = Log("info", "journald", fd=pipe[1], environ={}, journal=path)
        assert log.fileno() != pipe[1]
        log.close()
    assert log.fileno() == pipe[1]
