"""A client that sends raw bytes, reads raw answers, and knows when it has them all. No waiting by the clock."""

from __future__ import annotations

import socket

from tests.conformance.recordings import Answer, answers
from tests.patience import patience

PATIENCE = patience(60)  # seconds until a test gives up; nothing is measured with it
PROBE = b"GET /nothing-here HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Client:
    """One connection to the socket at `path`."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(path)
        self._data = bytearray()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, *pieces: bytes) -> Client:
        """Send the pieces, each in a call of its own. A server that closes in the middle is no error here."""
        for piece in pieces:
            try:
                self.sock.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
        return self

    def half_close(self) -> Client:
        """End our side, as `nc -N` does."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def answer(self) -> Answer:
        """The next answer, by its own framing; the connection stays usable."""
        while not self._whole():
            self._more()
        length = self._length()
        found = next(answers(bytes(self._data[:length])))
        del self._data[:length]
        return found

    def to_end(self) -> bytes:
        """Everything until the server closes."""
        while self._receive():
            pass
        data = bytes(self._data)
        self._data.clear()
        return data

    def still_open(self) -> bool:
        """True if the connection takes another request and answers it."""
        self.send(PROBE)
        try:
            return self.answer().status == 400
        except EOFError:
            return False

    def _receive(self) -> bool:
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self._data += data
        return bool(data)

    def _more(self) -> None:
        if not self._receive():
            raise EOFError(bytes(self._data))

    def _whole(self) -> bool:
        return self._length() > 0

    def _length(self) -> int:
        """Bytes of the first answer; 0 while it has not arrived in full."""
        while self._data.startswith(b"HTTP/1.1 100 "):
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return 0
            del self._data[: end + 4]
        end = self._data.find(b"\r\n\r\n", 0, 1 << 16)
        if end < 0:
            return 0
        for line in bytes(self._data[:end]).lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                whole = end + 4 + int(line.partition(b":")[2])
                return whole if len(self._data) >= whole else 0
        return end + 4
