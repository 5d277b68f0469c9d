"""A control socket inside the test: real sockets, the real server, and a loop that turns only when the test says so."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable

from pvsched.control.caller import Caller, Callers, Containers
from pvsched.control.http import Request
from pvsched.control.limits import Limits
from pvsched.control.reply import Reply
from pvsched.control.routes import Router
from pvsched.control.server import Server
from pvsched.loop import Loop

HOST_CGROUP = "0::/\n"
MANY_TURNS = 100_000


class Clock:
    """Time that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Log:
    """Remembers what was logged."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []

    def error(self, message: str, **fields: object) -> None:
        self.records.append(("error", message))

    def warning(self, message: str, **fields: object) -> None:
        self.records.append(("warning", message))

    def debug(self, message: str, **fields: object) -> None:
        self.records.append(("debug", message))


class Peer:
    """A client's end. `recv` turns the server's loop until there is something to read."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(rig.path)
        self.sock.setblocking(False)

    def send(self, data: bytes) -> Peer:
        """Send all of `data`; the server reads meanwhile."""
        view = memoryview(data)
        for _ in range(MANY_TURNS):
            if not view:
                break
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                self._rig.turn()
            except (BrokenPipeError, ConnectionResetError):
                return self
        assert not view
        self._rig.turn()
        return self

    def half_close(self) -> Peer:
        """End this side."""
        self.sock.shutdown(socket.SHUT_WR)
        self._rig.turn()
        return self

    def close(self) -> None:
        """Leave altogether."""
        self.sock.close()
        self._rig.turn()

    def now(self) -> bytes | None:
        """What can be read without another turn: None for nothing, b"" for the end."""
        try:
            return self.sock.recv(1 << 20)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""

    def recv(self, until: Callable[[bytes], bool] | None = None) -> bytes:
        """Bytes until `until` says enough (by default: something came), or to the end."""
        data = b""
        for _ in range(MANY_TURNS):
            piece = self.now()
            if piece is None:
                self._rig.turn()
                continue
            data += piece
            if not piece or until is None or until(data):
                return data
        raise AssertionError(f"nothing more came after {data[-200:]!r}")

    def to_end(self) -> bytes:
        """Everything until the server closes."""
        return self.recv(lambda _: False)

    def ask(self, request: bytes) -> bytes:
        """Send and receive one small answer."""
        return self.send(request).recv()


class Rig:
    """The server, with handlers that answer, echo, wait, lend, stream and fail."""

    def __init__(
        self, limits: Limits | None = None, containers: Containers | None = None, cgroup: str = HOST_CGROUP
    ) -> None:
        self.clock = Clock()
        self.errors: list[BaseException] = []
        self.loop = Loop(self.errors.append, self.clock)
        self.log = Log()
        self.router = Router()
        self.cgroup = cgroup
        callers = Callers(lambda pid: self.cgroup if pid else "0::/own\n", containers, own_pid=0)
        self.server = Server(self.loop, self.router, callers, limits, self.log)
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.left = 0
        self._directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self._directory.name, "pv-ctrl")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(4096)
        self._add_routes()
        self.server.listen(self._listener)
        self.peers: list[Peer] = []

    def _add_routes(self) -> None:
        self.router.add("GET", "/small", lambda q, r, p, c: r.send(200, b"[]"))
        self.router.add("POST", "/small", lambda q, r, p, c: r.send(200, b"posted"))
        self.router.add("PUT", "/echo/{}", self.echo, body_limit=1000)
        self.router.add("GET", "/echo/{}", self.echo)
        self.router.add("GET", "/wait", self.wait)
        self.router.add("PUT", "/lend", self.wait, lends=True)
        self.router.add("GET", "/fail", self.fail)
        self.router.add("POST", "/open", self.echo, privileged=False)
        self.router.add("GET", "/none", lambda q, r, p, c: r.send(204, b"dropped"))

    def echo(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """Answers with what came."""
        self.requests.append(request)
        reply.send(200, b"|".join([*(p.encode() for p in params), request.data]))

    def wait(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """Leaves the answer to the test."""
        self.requests.append(request)
        self.replies.append(reply)

    def fail(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """A handler with a mistake."""
        raise ZeroDivisionError("broken")

    def leave(self) -> None:
        """Counts clients that left."""
        self.left += 1

    def peer(self) -> Peer:
        """A new client, accepted."""
        peer = Peer(self)
        self.peers.append(peer)
        self.turn()
        return peer

    def turn(self, times: int = 4) -> None:
        """Let the server do what it can."""
        for _ in range(times):
            self.loop.turn(0)

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and let what is due happen."""
        self.clock.now += seconds
        self.turn()

    def close(self) -> None:
        """Everything away; what a callback raised unasked is the test's failure."""
        for peer in self.peers:
            peer.sock.close()
        self.server.close()
        self.loop.close()
        self._listener.close()
        self._directory.cleanup()
        assert not self.errors, self.errors


SMALL = b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"


def body_of(answer: bytes) -> bytes:
    """What follows the head of an answer."""
    return answer.partition(b"\r\n\r\n")[2]
