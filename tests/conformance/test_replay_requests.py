"""Recordings 001-062 (routing, methods, hosts, malformed input), replayed byte for byte.

Every case that is there is in exactly one of three sets: SAME, DIFFERENT (on purpose, as golden/README.md says) and
LATER.
"""

from __future__ import annotations

import hashlib
import itertools
import json

import pytest

from tests.conformance.client import Client
from tests.conformance.recordings import Answer, Recording, numbers, recording

ROUTING = (2, 4, 8, 12, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 38, 40, 42)
MALFORMED = (46, 48, 50, 54)
SAME = {*ROUTING, *MALFORMED, 44, 62}
DIFFERENT = {
    6: "the keys and types as recorded, the values our own",
    34: "a foreign Host is told so before the close",
    52: "a long path segment is 400, and the server lives",
}
LATER = {
    10: "device-meta",
    14: "wakelocks",
    56: "device-meta",
    58: "device-meta",
    60: "device-meta",
}

SAME_FURTHER = (264, 266, 268, 270, 272, 274, 276, 376)


def test_every_case_is_accounted_for() -> None:
    """No recording from 001 to 062 is left out, and none is in two sets."""
    assert sorted([*SAME, *DIFFERENT, *LATER]) == numbers(1, 62)


def same(ours: Answer, theirs: Answer) -> None:
    """The same but for the date: version, status, reason, names and order and spelling of headers, values, body."""
    assert (ours.version, ours.status, ours.reason) == (theirs.version, theirs.status, theirs.reason)
    assert [name for name, _ in ours.headers] == [name for name, _ in theirs.headers]
    assert undated(ours) == undated(theirs)
    assert ours.body == theirs.body


def undated(answer: Answer) -> list[tuple[str, str]]:
    """The headers but for the date."""
    return [(name, value) for name, value in answer.headers if name != "Date"]


def ends_the_same(client: Client, last: Answer) -> None:
    """Closed where the recorded answer says close, else ready for the next request."""
    if last.header("Connection") == "close":
        assert client.to_end() == b""
    else:
        assert client.still_open()


def replay(path: str, case: Recording, *pieces: bytes) -> None:
    """Send the recorded request, get the recorded answers and the recorded end."""
    with Client(path) as client:
        client.send(*(pieces or (case.request,)))
        theirs = case.answers
        for answer in theirs:
            same(client.answer(), answer)
        ends_the_same(client, theirs[-1])


def pieces(request: bytes, at: tuple[int, ...]) -> list[bytes]:
    """`request` cut at the given places."""
    edges = (0, *at, len(request))
    return [request[a:b] for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("number", [*ROUTING, *MALFORMED])
def test_the_recorded_answer(socket_path: str, number: int) -> None:
    """Status, reason, headers, body, and whether the connection goes on, as recorded."""
    case = recording(number)
    assert not case.elided
    replay(socket_path, case, *(pieces(case.request, (5, 30)) if number == 42 else [case.request]))


@pytest.mark.parametrize("number", SAME_FURTHER)
def test_a_recorded_answer_of_the_factory_revision(socket_path: str, number: int) -> None:
    """Further recordings that the factory revision answers already; dates inside `/steps` are our own."""
    case = recording(number)
    if number == 264:
        with Client(socket_path) as client:
            assert client.send(case.request).answer().status == 400
    elif number == 266:
        with Client(socket_path) as client:
            ours, theirs = client.send(case.request).answer(), case.first
            for ours_step, theirs_step in zip(json.loads(ours.body), json.loads(theirs.body), strict=True):
                assert {**ours_step, "date": ""} == {**theirs_step, "date": ""}
            assert len(ours.body) == len(theirs.body)
    else:
        replay(socket_path, case)


def test_an_endless_line_just_waits(socket_path: str) -> None:
    """Case 044: no newline, no answer; the connection is not closed, and others are served."""
    case = recording(44)
    with Client(socket_path) as waiting, Client(socket_path) as other:
        waiting.send(case.request)
        assert other.still_open()
        waiting.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.sock.recv(1)


def test_half_a_head_and_a_half_close(socket_path: str) -> None:
    """Case 062: closed without an answer."""
    with Client(socket_path) as client:
        client.send(recording(62).request).half_close()
        assert client.to_end() == b""


def test_config2_has_the_recorded_keys(socket_path: str) -> None:
    """Case 006: an array of key, value and modified, all strings; the recorded keys in the recorded order."""
    case = recording(6)
    with Client(socket_path) as client:
        ours = client.send(case.request).answer()
    theirs = case.first
    assert (ours.status, ours.header("Content-Type")) == (theirs.status, theirs.header("Content-Type"))
    ours_list, theirs_list = json.loads(ours.body), json.loads(theirs.body)
    assert [entry["key"] for entry in ours_list] == [entry["key"] for entry in theirs_list]
    for entry, other in zip(ours_list, theirs_list, strict=True):
        assert list(entry) == list(other)
        assert [type(value) for value in entry.values()] == [type(value) for value in other.values()]


def test_a_foreign_host_is_told_so(socket_path: str) -> None:
    """Case 034: 400 with an error body of ours, then the close."""
    case = recording(34)
    assert case.response == b""
    with Client(socket_path) as client:
        ours = client.send(case.request).answer()
        assert ours.status == 400
        assert set(json.loads(ours.body)) == {"Error", "code", "hint"}
        assert client.to_end() == b""


def test_a_long_segment_is_refused_and_the_server_lives(socket_path: str) -> None:
    """Case 052, which crashed the real server: 400, and the connection goes on. The request is rebuilt and checked."""
    request = b"GET /" + b"a" * 10000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    case = recording(52)
    assert hashlib.sha256(request).hexdigest().encode() in case.request
    with Client(socket_path) as client:
        ours = client.send(request).answer()
        assert ours.status == 400
        assert ours.body == b'{"Error":"unknown endpoint: /' + b"a" * 10000 + b'"}'
        assert client.still_open()
