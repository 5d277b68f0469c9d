"""The daemon's own log: levels, one line or one datagram a record, and never a wait.

The standard library's `logging` costs 10 ms and 2.4 MB in a process that wants neither. A record goes to the journal
in its native protocol when stderr is the journal, else to stderr as a plain line, or as JSON where asked. What stderr
does not take at once waits in a bounded backlog; when that is full records are dropped, and the log says how many.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pvsched.masking import MASK, is_secret, masked_text

if TYPE_CHECKING:
    import socket

LEVELS = ("fatal", "error", "warning", "info", "debug", "trace")
FORMATS = ("auto", "plain", "json", "journald")
PRIORITIES = (2, 3, 4, 6, 7, 7)
JOURNAL_SOCKET = "/run/systemd/journal/socket"
BACKLOG_LIMIT = 256
# A pipe that poll() calls writable takes this many bytes without blocking; a longer record is cut.
RECORD_LIMIT = 4096


class Log:
    """Writes records of at least its level. Main loop only; every call returns at once.

    `level` and `format` are names out of LEVELS and FORMATS; `fd` is where plain and JSON records go. `stopped` is
    called when something must wait for `fd` to become writable: call `flush()` then.
    """

    def __init__(
        self,
        level: str = "info",
        format: str = "auto",
        *,
        fd: int = 2,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        journal: str = JOURNAL_SOCKET,
    ) -> None:
        self.threshold = LEVELS.index(level)
        self.dropped = 0
        self.written = 0
        self.stopped: Callable[[], None] | None = None
        self._fd = fd
        self._clock = clock
        self._backlog: deque[bytes] = deque()
        self._journal: JournalSink | None = None
        self.format = resolved_format(format, fd, os.environ if environ is None else environ)
        if self.format == "journald":
            self._journal = JournalSink.open(journal)
            if self._journal is None:
                self.format = "plain"
        self._colour_of_time = os.isatty(fd)

    def set_level(self, level: str) -> None:
        """From now on records of `level` and above are written."""
        self.threshold = LEVELS.index(level)

    def enabled(self, level: str) -> bool:
        """True if a record of `level` would be written: ask before building an expensive one."""
        return LEVELS.index(level) <= self.threshold

    def fatal(self, message: str, **fields: object) -> None:
        """The daemon cannot go on."""
        self._record(0, message, fields)

    def error(self, message: str, **fields: object) -> None:
        """Something was lost or refused that should not have been."""
        self._record(1, message, fields)

    def warning(self, message: str, **fields: object) -> None:
        """It goes on, but someone should look."""
        self._record(2, message, fields)

    def info(self, message: str, **fields: object) -> None:
        """What an operator wants to read later: starts, stops, reloads."""
        self._record(3, message, fields)

    def debug(self, message: str, **fields: object) -> None:
        """What a developer wants to read."""
        self._record(4, message, fields)

    def trace(self, message: str, **fields: object) -> None:
        """Every step."""
        self._record(5, message, fields)

    @property
    def waiting(self) -> int:
        """Records that could not be written yet."""
        return len(self._backlog)

    def fileno(self) -> int:
        """The descriptor whose writability `flush()` waits for: stderr, or the journal's socket."""
        return self._fd if self._journal is None else self._journal.fileno()

    def flush(self) -> bool:
        """Writes what waits, as far as it goes without blocking. True when nothing waits any more."""
        while self._backlog:
            if not self._write(self._backlog[0]):
                return False
            self._backlog.popleft()
        if self.dropped:
            dropped, self.dropped = self.dropped, 0
            self._record(2, "log records were dropped", {"records": dropped})
        return not self._backlog

    def close(self) -> None:
        """Writes what it can and lets go of the journal's socket. stderr stays open: it is not ours."""
        self.flush()
        if self._journal is not None:
            self._journal.close()
            self._journal = None
            self.format = "plain"

    def _record(self, level: int, message: str, fields: dict[str, object]) -> None:
        if level > self.threshold:
            return
        shown = {name: MASK if is_secret(name) and value is not None else value for name, value in fields.items()}
        text = masked_text(message)
        if self._journal is not None:
            record = journal_record(level, text, shown, self._journal.ids.get(message, ""))
        elif self.format == "json":
            record = json_record(self._clock(), level, text, shown)
        else:
            record = plain_record(self._clock(), level, text, shown, short_time=self._colour_of_time)
        self._put(record)

    def _put(self, record: bytes) -> None:
        if self._backlog or not self._write(record):
            self._wait(record)

    def _wait(self, record: bytes) -> None:
        if len(self._backlog) >= BACKLOG_LIMIT:
            self.dropped += 1
            return
        self._backlog.append(record)
        if self.stopped is not None:
            self.stopped()

    def _write(self, record: bytes) -> bool:
        """True if the record is gone: written, or never to be written because nobody is left to read it."""
        self.written += 1
        if self._journal is not None:
            return self._journal.send(record)
        # stderr's description is shared with our parent, so it is asked with poll() and never made non-blocking.
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        events = poller.poll(0)
        if events and events[0][1] & select.POLLOUT:
            try:
                os.write(self._fd, record)
            except OSError:
                return True
            return True
        if events:  # closed, or the reader has gone: to wait would be for ever
            return True
        self.written -= 1
        return False


class JournalSink:
    """The journal's own datagram socket: structured fields arrive as such."""

    def __init__(self, connected: socket.socket) -> None:
        from pvsched.message_ids import MESSAGE_IDS

        self._socket = connected
        self.ids = MESSAGE_IDS

    @classmethod
    def open(cls, path: str) -> JournalSink | None:
        """A connected sink, or None where there is no journal."""
        import socket

        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            sock.connect(path)
        except OSError:
            sock.close()
            return None
        return cls(sock)

    def send(self, record: bytes) -> bool:
        """False if the journal's queue is full just now."""
        try:
            self._socket.send(record)
        except BlockingIOError:
            return False
        except OSError:
            return True  # the journal has gone; there is nobody to tell
        return True

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Lets go of the socket."""
        self._socket.close()


def resolved_format(format: str, fd: int, environ: Mapping[str, str]) -> str:
    """`auto` becomes `journald` if `fd` is the stream that JOURNAL_STREAM names (systemd.exec(5)), else `plain`."""
    if format != "auto":
        return format
    try:
        status = os.fstat(fd)
    except OSError:
        return "plain"
    return "journald" if environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}" else "plain"


def utc_text(seconds: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


def plain_record(when: float, level: int, message: str, fields: Mapping[str, object], *, short_time: bool) -> bytes:
    """One line: time, level, message, `name=value` pairs. Control characters are escaped: a record is never two
    lines.
    """
    stamp = utc_text(when)[11:-1] if short_time else utc_text(when)
    pairs = "".join(f" {name}={quoted(value)}" for name, value in fields.items())
    return cut(f"{stamp} {LEVELS[level]:<7} {escaped(message)}{pairs}\n".encode("utf-8", "backslashreplace"))


def json_record(when: float, level: int, message: str, fields: Mapping[str, object]) -> bytes:
    """One JSON object a line; `time`, `level` and `message` come first and cannot be overwritten by a field."""
    record: dict[str, object] = {"time": utc_text(when), "level": LEVELS[level], "message": message}
    for name, value in fields.items():
        record.setdefault(name, masked_text(value) if isinstance(value, str) else value)
    line = json.dumps(record, separators=(",", ":"), default=str)
    if len(line) >= RECORD_LIMIT:  # a cut JSON line would be no JSON: keep the head of the message alone
        record = {"time": record["time"], "level": record["level"], "message": message[:512], "cut": True}
        line = json.dumps(record, separators=(",", ":"))
    return line.encode() + b"\n"


def journal_record(level: int, message: str, fields: Mapping[str, object], id: str = "") -> bytes:
    """The native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a value with a line end goes with its length."""
    parts = [journal_field("MESSAGE", message), journal_field("PRIORITY", str(PRIORITIES[level]))]
    if id:
        parts.append(journal_field("MESSAGE_ID", id))
    parts.append(journal_field("SYSLOG_IDENTIFIER", "pvsched"))
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        parts.append(journal_field("PVSCHED_" + name.upper(), masked_text(text)))
    return b"".join(parts)


def journal_field(name: str, value: str) -> bytes:
    """One field of a journal datagram."""
    data = value[:RECORD_LIMIT].encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


def quoted(value: object) -> str:
    """A value of a plain record: bare where that is clear, else as JSON."""
    text = masked_text(value) if isinstance(value, str) else json.dumps(value, default=str)
    if text and text.isprintable() and not any(character in ' "=' for character in text):
        return text
    return json.dumps(text) if isinstance(value, str) else text


def escaped(text: str) -> str:
    """`text` without control characters."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cut(record: bytes) -> bytes:
    """`record`, at most RECORD_LIMIT long, still ending its line."""
    return record if len(record) <= RECORD_LIMIT else record[: RECORD_LIMIT - 5] + b" ...\n"
