"""Heads of replies: order, spelling and presence of fields, as recorded."""

from __future__ import annotations

import email.utils

import pytest

from pvsched.control.errorbody import error_body
from pvsched.control.replyhead import date_line, render


def names(reply: bytes) -> list[str]:
    """The names of the fields, in order."""
    lines = reply.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return [line.partition(":")[0] for line in lines]


@pytest.mark.parametrize(
    ("version", "keep_alive", "close_asked", "expected"),
    [
        ((1, 1), True, False, ["Content-Type", "Date", "Content-Length"]),
        ((1, 1), False, True, ["Content-Type", "Date", "Content-Length", "Connection"]),
        ((1, 1), False, False, ["Content-Type", "Connection", "Date", "Content-Length"]),
        ((1, 0), False, False, ["Content-Type"]),
        ((1, 0), True, False, ["Content-Type", "Connection", "Content-Length"]),
    ],
)
def test_the_fields_and_their_order(
    version: tuple[int, int], keep_alive: bool, close_asked: bool, expected: list[str]
) -> None:
    """Recordings 002, 026, 036, 140."""
    reply = render(200, b"x", "application/json", version=version, keep_alive=keep_alive, close_asked=close_asked)
    assert names(reply) == expected
    assert reply.startswith(b"HTTP/1.%d 200 OK\r\n" % version[1])
    assert reply.endswith(b"\r\n\r\nx")


def test_own_headers_stand_before_the_date() -> None:
    """Retry-After, as recorded."""
    reply = render(503, b"", "application/json", [("Retry-After", "600")])
    assert names(reply) == ["Content-Type", "Retry-After", "Date", "Content-Length"]


def test_payloads_spell_content_type_in_lower_case() -> None:
    """Recordings 004 and 102; JSON and the error page do not."""
    assert names(render(200, b"", "text/plain"))[0] == "content-type"
    assert names(render(400, b"", "text/html"))[0] == "Content-Type"


@pytest.mark.parametrize("second", [0, 951782400, 1795288668, 2147483647])
def test_the_date_is_what_the_standard_says(second: int) -> None:
    """Compared with the standard library, which is too large for the daemon."""
    assert date_line(second) == f"Date: {email.utils.formatdate(second, usegmt=True)}\r\n"


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("text",), b'{"Error":"text"}'),
        (("t", "c"), b'{"Error":"t","code":"c"}'),
        (("t", "c", "h"), b'{"Error":"t","code":"c","hint":"h"}'),
        (('unknown endpoint: /"\\',), b'{"Error":"unknown endpoint: /\\"\\\\"}'),
    ],
)
def test_error_bodies_are_exact(arguments: tuple[str, ...], body: bytes) -> None:
    """No space after the colon, and always JSON, which Pantavisor's are not where the target has a quote."""
    assert error_body(*arguments) == body
