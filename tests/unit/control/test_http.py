"""Requests: targets, hosts, queries, connections, and what is remembered."""

from __future__ import annotations

import httptools
import pytest

from pvsched.control.http import HeadMemo, HttpError, Request, decoded, parse_head, parser_is_sound
from tests.neon import Refusing


def parsed(target: str = "/x", *fields: str, method: str = "GET", version: str = "1.1") -> Request:
    lines = [f"{method} {target} HTTP/{version}", *fields, "", ""]
    return parse_head("\r\n".join(lines).encode("latin-1"))


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/a", "/a", {}),
        ("/a?x=1&y=2&x=3&=4&z", "/a", {"x": "1", "y": "2", "z": ""}),
        ("/a%20b?q=%2F", "/a b", {"q": "/"}),
        ("/%2e%2e/a", "/../a", {}),
        ("/%", "/%", {}),
        ("/%zz%4", "/%zz%4", {}),
        ("/%c3%a4", "/ä", {}),
        ("/%ff", "/\\xff", {}),
        ("/a?b?c=d", "/a", {"b?c": "d"}),
    ],
)
def test_path_and_query(target: str, path: str, query: dict[str, str]) -> None:
    """Decoded once, the first of equal names wins, and nothing raises."""
    request = parsed(target)
    assert (request.target, request.path, request.query) == (target, path, query)


@pytest.mark.parametrize("host", ["", "localhost", "localhost:80", "localhost:", ":1"])
def test_the_hosts_that_are_served(host: str) -> None:
    """Empty, or exactly localhost; the port is nobody's business."""
    assert parsed("/x", f"Host: {host}").path == "/x"


@pytest.mark.parametrize("host", ["LOCALHOST", "localhost.", "example.org", "127.0.0.1", "localhost:x", "a:80", "@"])
def test_the_hosts_that_are_not(host: str) -> None:
    """Case matters, as recorded (034); the error is ours."""
    with pytest.raises(HttpError) as caught:
        parsed("/x", f"Host: {host}")
    assert (caught.value.status, caught.value.code) == (400, "bad-host")


@pytest.mark.parametrize(
    ("target", "seen"), [("http://localhost/a?b", "/a?b"), ("HTTP://localhost:8/a", "/a"), ("http://localhost", "/")]
)
def test_an_absolute_target_is_brought_to_origin_form(target: str, seen: str) -> None:
    """And its host counts, not the field."""
    assert parsed(target, "Host: elsewhere").target == seen
    with pytest.raises(HttpError):
        parsed(target.replace("localhost", "elsewhere"), "Host: localhost")


def test_two_slashes_in_front_are_refused() -> None:
    """Pantavisor closes in silence; we say why."""
    with pytest.raises(HttpError) as caught:
        parsed("//x")
    assert caught.value.code == "bad-path"


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "Close", False),
        ("1.1", "foo, close", False),
        ("1.1", "keep-alive", True),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
        ("1.0", "Keep-Alive", True),
        ("1.0", "keep-alive, close", False),
        ("1.1", "upgrade", True),
    ],
)
def test_keep_alive(version: str, connection: str | None, keep_alive: bool) -> None:
    """By default in 1.1, on demand in 1.0, never against close."""
    fields = [] if connection is None else [f"Connection: {connection}"]
    assert parsed("/x", *fields, version=version).keep_alive is keep_alive


def test_connection_fields_add_up() -> None:
    """Close in the second one counts."""
    assert not parsed("/x", "Connection: keep-alive", "Connection: close").keep_alive


def test_of_equal_fields_the_first_wins() -> None:
    """Names are lower-case, values without the space around them, and framing is not among them."""
    request = parsed("/x", "A:  1 ", "a: 2", "Content-Length: 3", "Range:bytes=0-1", method="PUT")
    assert request.headers == {"a": "1", "range": "bytes=0-1"}


@pytest.mark.parametrize(
    ("fields", "version", "expected"),
    [
        (["Content-Length: 1", "Expect: 100-continue"], "1.1", True),
        (["Content-Length: 0", "Expect: 100-continue"], "1.1", False),
        (["Expect: 100-continue"], "1.1", False),
        (["Content-Length: 1", "Expect: 100-continue"], "1.0", False),
        (["Transfer-Encoding: chunked", "Expect: 100-CONTINUE"], "1.1", True),
    ],
)
def test_100_continue_is_expected(fields: list[str], version: str, expected: bool) -> None:
    """Only where a body is to come, and never of HTTP/1.0."""
    assert parsed("/x", *fields, method="PUT", version=version).expect_continue is expected


def test_decoding_is_done_once() -> None:
    """%252e is %2e, and no dot."""
    assert decoded("%252e") == "%2e"


def test_the_memo_gives_what_parsing_gives_and_is_bounded() -> None:
    """The same request for the same bytes; bodies, long heads and errors are never kept."""
    memo = HeadMemo()
    raw = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert memo.parse(raw) is memo.parse(raw)
    assert vars_of(memo.parse(raw)) == vars_of(parse_head(raw))
    with_body = b"PUT /x HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
    assert memo.parse(with_body) is not memo.parse(with_body)
    long = b"GET /x HTTP/1.1\r\nA: " + b"a" * 1024 + b"\r\n\r\n"
    assert memo.parse(long) is not memo.parse(long)
    for _ in range(2):
        with pytest.raises(HttpError):
            memo.parse(b"FOO /x HTTP/1.1\r\n\r\n")
    assert len(memo) == 1
    for n in range(200):
        memo.parse(b"GET /%d HTTP/1.1\r\n\r\n" % n)
        assert len(memo) <= HeadMemo.HEADS


def vars_of(request: Request) -> dict[str, object]:
    """Its fields, but for the body, which is an object without equality."""
    return {name: getattr(request, name) for name in Request.__slots__ if name != "body"}


def test_a_parser_that_refuses_long_values_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is installed is sound; one that was built with NEON for a 32-bit processor is not."""
    assert parser_is_sound()
    monkeypatch.setattr(httptools, "HttpRequestParser", Refusing)
    assert not parser_is_sound()
