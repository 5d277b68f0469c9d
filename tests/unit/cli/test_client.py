"""The client's own HTTP: framing, kept connections, early answers, and what it says when nobody answers."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pvsched.cli import exits
from pvsched.cli.client import Broken, Client, accepted
from pvsched.cli.failure import CommandError
from tests.patience import patience


def connection(daemon: Any) -> Client:
    return Client([daemon.path], timeout=patience(10))


def test_a_json_answer_is_returned_as_a_document(daemon: Any) -> None:
    """get() decodes the body that Content-Length frames."""
    daemon.json("GET", "/x", {"a": [1, 2]})
    with connection(daemon) as talk:
        assert talk.get("/x") == {"a": [1, 2]}


def test_one_connection_serves_many_questions(daemon: Any) -> None:
    """The connection is kept between requests."""
    daemon.json("GET", "/x", 1)
    with connection(daemon) as talk:
        assert [talk.get("/x") for _ in range(5)] == [1] * 5
    assert daemon.connections == 1


def test_a_chunked_body_is_put_together(daemon: Any) -> None:
    """Chunks, a chunk extension and a trailer are understood, and the next answer begins where they end."""
    body = b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
    daemon.answers["GET", "/c"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with connection(daemon) as talk:
        assert [talk.ask("GET", "/c").read() for _ in range(2)] == [b"abc0123456789"] * 2


def test_a_body_without_length_ends_with_the_connection(daemon: Any) -> None:
    """HTTP/1.0 style answers are read to the end of the stream."""

    def answer(client: socket.socket, head: bytes, rest: bytes) -> bool:
        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        return False

    daemon.answers["GET", "/old"] = answer
    with connection(daemon) as talk:
        assert talk.ask("GET", "/old").read() == b"all of it"


def test_a_body_cut_short_is_broken_not_short(daemon: Any) -> None:
    """A connection that ends before Content-Length says so raises Broken."""

    def answer(client: socket.socket, head: bytes, rest: bytes) -> bool:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False

    daemon.answers["GET", "/cut"] = answer
    with connection(daemon) as talk, pytest.raises(Broken, match="96 bytes too early"):
        talk.ask("GET", "/cut").read()


def test_a_kept_connection_that_was_closed_is_made_anew(daemon: Any) -> None:
    """A daemon that closes after its answer costs a new connection, not an error."""

    def answer(client: socket.socket, head: bytes, rest: bytes) -> bool:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7")
        return False

    daemon.answers["GET", "/x"] = answer
    with connection(daemon) as talk:
        assert [talk.get("/x"), talk.get("/x")] == [7, 7]
    assert daemon.connections == 2


def test_a_put_sends_the_whole_file_and_counts_it(daemon: Any, tmp_path: Path) -> None:
    """put_file() sends the bytes of the file and tells of each part."""
    content = os.urandom(3_000_000)
    path = tmp_path / "file"
    path.write_bytes(content)
    daemon.answers["PUT", "/objects/a"] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    counts: list[int] = []
    with connection(daemon) as talk, open(path, "rb") as source:
        assert talk.put_file("/objects/a", source.fileno(), len(content), counts.append).status == 200
    assert daemon.bodies == [content]
    assert sum(counts) == len(content)


def test_a_refusal_before_the_body_sends_no_body(daemon: Any, tmp_path: Path) -> None:
    """The answer that comes instead of 100 Continue is the answer."""

    def answer(client: socket.socket, head: bytes, rest: bytes) -> bool:
        client.sendall(b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return False

    daemon.answers["PUT", "/objects/a"] = answer
    path = tmp_path / "file"
    path.write_bytes(bytes(1_000_000))
    counts: list[int] = []
    with connection(daemon) as talk, open(path, "rb") as source:
        assert talk.put_file("/objects/a", source.fileno(), 1_000_000, counts.append).status == 507
    assert counts == []


def test_an_answer_in_the_middle_of_the_body_ends_the_sending(daemon: Any, tmp_path: Path) -> None:
    """A daemon that refuses while bytes flow is heard, although it never reads the rest."""

    def answer(client: socket.socket, head: bytes, rest: bytes) -> bool:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.recv(10)
        client.sendall(b"HTTP/1.1 422 Unprocessable Content\r\nContent-Length: 0\r\n\r\n")
        while client.recv(65536):
            pass
        return False

    daemon.answers["PUT", "/objects/a"] = answer
    path = tmp_path / "file"
    with open(path, "wb") as made:
        made.truncate(64 << 20)
    with connection(daemon) as talk, open(path, "rb") as source:
        assert talk.put_file("/objects/a", source.fileno(), 64 << 20, lambda count: None).status == 422


def test_an_error_answer_gives_the_daemons_words(daemon: Any) -> None:
    """accepted() raises with the daemon's text, code and hint."""
    daemon.json("GET", "/no", {"Error": "no such task", "code": "no-task", "hint": "look"}, "404 Not Found")
    with connection(daemon) as talk, pytest.raises(CommandError, match="404: no such task") as caught:
        talk.get("/no")
    assert (caught.value.code, caught.value.hint, caught.value.status) == ("no-task", "look", exits.FAILED)


def test_a_full_store_says_what_to_do(daemon: Any) -> None:
    """The recorded 507 has no hint of its own."""
    daemon.json("GET", "/full", {"Error": "Not enough disk space available"}, "507 Insufficient Storage")
    with connection(daemon) as talk, pytest.raises(CommandError) as caught:
        talk.get("/full")
    assert (caught.value.code, "objects.reserved_percent" in caught.value.hint) == ("http-507", True)


def test_a_recorded_error_without_code_still_has_one(daemon: Any) -> None:
    """Pantavisor's own error bodies carry only a text: the status makes the code, Retry-After the hint."""
    daemon.answers["GET", "/full"] = (
        b'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 16\r\n\r\n{"Error":"full"}'
    )
    with connection(daemon) as talk, pytest.raises(CommandError) as caught:
        accepted(talk.ask("GET", "/full"))
    assert (caught.value.code, caught.value.hint) == ("http-503", "try again in 2 s")


def test_nobody_at_the_socket_is_a_system_error_with_a_next_step(nobody: str) -> None:
    """Where no daemon listens the error names the path and the command to start one."""
    with Client([nobody]) as talk, pytest.raises(CommandError) as caught:
        talk.get("/x")
    assert (caught.value.code, caught.value.status) == ("no-daemon", exits.SYSTEM)
    assert nobody in caught.value.text
    assert "pvsched run" in caught.value.hint


def test_a_stale_socket_falls_through_to_the_next_place(daemon: Any, tmp_path: Path) -> None:
    """A socket file without a listener is passed over."""
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(stale))
    daemon.json("GET", "/x", 1)
    with Client([str(stale), daemon.path]) as talk:
        assert talk.get("/x") == 1
        assert talk.path == daemon.path


@pytest.mark.parametrize("text", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 okay\r\n\r\n", b"x" * 70000])
def test_what_is_not_http_is_named_so(daemon: Any, text: bytes) -> None:
    """Another program at the socket gives one clear error."""

    def answer(client: socket.socket, head: bytes, rest: bytes) -> bool:
        client.sendall(text)
        return True

    daemon.answers["GET", "/x"] = answer
    with connection(daemon) as talk, pytest.raises(CommandError) as caught:
        talk.get("/x")
    assert caught.value.code == "bad-answer"


def test_an_answer_that_is_not_json_is_named_so(daemon: Any) -> None:
    """get() of a text raises bad-answer."""
    daemon.answers["GET", "/x"] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"
    with connection(daemon) as talk, pytest.raises(CommandError) as caught:
        talk.get("/x")
    assert caught.value.code == "bad-answer"
