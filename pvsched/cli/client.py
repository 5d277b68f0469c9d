"""A small HTTP/1.1 client for the daemon's unix socket.

http.client would do, but importing it (email, ssl lookups) costs more than the whole of a `pvsched status`; this needs
the socket module alone. One connection, one request at a time, kept alive between requests.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence

from pvsched.cli.connect import connect, readable, writable
from pvsched.cli.failure import CommandError, system
from pvsched.cli.places import search

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    Headers = Sequence[tuple[str, str]]

    Progress = Callable[[int], None]  # told how many bytes have gone by since the last call

BLOCK = 1 << 18  # one hot buffer: 256 KiB
HEAD_LIMIT = 1 << 16
HINTS = {  # for answers of Pantavisor's own, which carry none
    422: "the content is not what its name says: it changed on the way, put it again",
    507: "free space where the daemon keeps its objects, or lower objects.reserved_percent",
}


class Broken(CommandError):
    """The connection ended before the answer did. What was read so far is good."""

    def __init__(self, text: str) -> None:
        hint = "look at the daemon: pvsched status; then type the same command again"
        super().__init__(text, code="connection-lost", hint=hint, status=111)


class Answer:
    """Status and headers of one answer (lower-case names); the body is read by blocks() or read()."""

    def __init__(self, client: Client, status: int, headers: dict[str, str], bodiless: bool) -> None:
        self.status = status
        self.headers = headers
        self.length: int | None = 0 if bodiless else _length(headers)
        self.chunked = not bodiless and headers.get("transfer-encoding", "").lower() == "chunked"
        self._client = client

    def blocks(self) -> Iterator[bytes]:
        """The body, in blocks of at most BLOCK bytes. Raises Broken where it ends early."""
        if self.chunked:
            yield from self._chunks()
        else:
            yield from self._plain(self.length)

    def read(self) -> bytes:
        return b"".join(self.blocks())

    def json(self) -> Any:
        import json

        try:
            return json.loads(self.read() or b"null")
        except ValueError:
            raise CommandError("the answer is not JSON", code="bad-answer", hint="is that socket a pv-ctrl?") from None

    def _plain(self, length: int | None) -> Iterator[bytes]:
        left = length
        while left is None or left > 0:
            block = self._client.receive(BLOCK if left is None else min(BLOCK, left))
            if not block and left is None:
                return
            if not block:
                raise Broken(f"the connection ended {left} bytes too early")
            left = left if left is None else left - len(block)
            yield block

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = int(self._client.line().split(b";")[0] or b"0", 16)
            yield from self._plain(size)
            if size == 0:
                while self._client.line():
                    pass
                return
            self._client.line()


def _length(headers: dict[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isdigit() else None


class Client:
    """One connection to the daemon. timeout: seconds without a byte before it is given up (None: never)."""

    def __init__(self, paths: Sequence[str], timeout: float | None = 60.0) -> None:
        self._paths = list(paths)
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self.path = ""

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer.clear()

    # -- asking -------------------------------------------------------------------------------

    def ask(self, method: str, target: str, body: bytes = b"", headers: Headers = ()) -> Answer:
        """Sends one request, returns its answer's head. A kept connection that was closed meanwhile is made anew."""
        fresh = self._socket is None
        length = [("Content-Length", str(len(body)))] if body or method in ("PUT", "POST") else []
        try:
            self._send(head(method, target, [*headers, *length]) + body)
            return self.answer(method)
        except Broken:
            if fresh:
                raise
            self.close()
            return self.ask(method, target, body, headers)

    def get(self, target: str) -> Any:
        """GET of a JSON document; CommandError where the status is not 200."""
        return accepted(self.ask("GET", target)).json()

    def put_file(self, target: str, fd: int, size: int, told: Progress) -> Answer:
        """PUT of size bytes from fd (its current offset). An answer that comes early ends the sending."""
        self._send(head("PUT", target, [("Content-Length", str(size)), ("Expect", "100-continue")]))
        early = self._continue()
        if early is not None:
            return early
        assert self._socket is not None
        try:
            self._pour(self._socket, fd, size, told)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the daemon has refused and closed; its answer may still wait to be read
        except TimeoutError:
            raise Broken(f"the daemon took no bytes for {self._timeout:.0f} s") from None
        return self.answer("PUT")

    def _pour(self, out: socket.socket, fd: int, size: int, told: Progress) -> None:
        left, offset = size, os.lseek(fd, 0, os.SEEK_CUR)
        while left and not readable(out, 0):
            if not writable(out, self._timeout):
                raise TimeoutError
            try:
                sent = os.sendfile(out.fileno(), fd, offset, min(left, 1 << 20))
            except BlockingIOError:
                continue  # writable by less than the kernel wants to copy at once
            if not sent:
                raise system("the file became shorter while it was sent", "put it again")
            left, offset = left - sent, offset + sent
            told(sent)

    def _continue(self) -> Answer | None:
        """Waits for 100 Continue, at most a second (a server may not know it). An answer instead of it is final."""
        assert self._socket is not None
        if not readable(self._socket, 1.0):
            return None
        first = self.answer("PUT")
        return None if first.status == 100 else first

    def answer(self, method: str) -> Answer:
        """Reads the head of the next answer."""
        words = self.line().split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise CommandError("the answer is not HTTP", code="bad-answer", hint="is that socket a pv-ctrl?")
        status = int(words[1])
        headers: dict[str, str] = {}
        while line := self.line():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return Answer(self, status, headers, method == "HEAD" or status < 200 or status in (204, 304))

    # -- bytes --------------------------------------------------------------------------------

    def line(self) -> bytes:
        """The next line without its end."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise CommandError("the answer's head has no end", code="bad-answer", hint="is that socket a pv-ctrl?")
            block = self._read(4096)
            if not block:
                raise Broken("the daemon closed the connection without an answer")
            self._buffer += block
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.rstrip(b"\r")

    def receive(self, most: int) -> bytes:
        """At least one byte and at most so many; b"" at the end of the stream."""
        if self._buffer:
            block = bytes(self._buffer[:most])
            del self._buffer[:most]
            return block
        return self._read(most)

    def _read(self, most: int) -> bytes:
        assert self._socket is not None
        try:
            return self._socket.recv(most)
        except TimeoutError:
            raise Broken(f"the daemon said nothing for {self._timeout:.0f} s") from None
        except ConnectionResetError:
            return b""

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            self._socket, self.path = connect(self._paths, self._timeout)
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Broken("the daemon closed the connection") from None
        except TimeoutError:
            raise Broken(f"the daemon took no bytes for {self._timeout:.0f} s") from None


def head(method: str, target: str, headers: Headers) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def accepted(answer: Answer, *good: int) -> Answer:
    """The answer itself if its status is 200 (or one of good); else CommandError with the daemon's own words."""
    if answer.status in (good or (200,)):
        return answer
    import json

    text = answer.read()
    try:
        document = json.loads(text)
    except ValueError:
        document = {}
    document = document if isinstance(document, dict) else {}
    why = document.get("Error") or text.decode("utf-8", "replace").strip() or "no reason given"
    later = answer.headers.get("retry-after")
    hint = document.get("hint") or (f"try again in {later} s" if later else HINTS.get(answer.status, ""))
    code = document.get("code") or f"http-{answer.status}"
    raise CommandError(f"the daemon answered {answer.status}: {why}", code=code, hint=hint)


def client(socket_option: str | None, timeout: float | None = 60.0) -> Client:
    """A client for the daemon named on the command line, by PVSCHED_SOCKET, or found in the usual places."""
    return Client(search(socket_option), timeout)
