"""Recordings 101-147: objects. Where bytes were left out of a recording, others of the same length take their place.

The differences on purpose are those of golden/README.md: Content-Length instead of chunks, nothing under the final name
before it is verified, names of exactly 64 of `0-9a-f`, one answer only.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Iterator

import pytest

from tests.conformance.client import Client
from tests.conformance.recordings import Answer, answers, numbers, recording
from tests.conformance.test_replay_requests import ends_the_same, replay, same

PUT_SAME = (108, 110, 112, 118, 122, 134)
SAME = {*PUT_SAME, 114, 126, 146}
DIFFERENT = {
    102: "Content-Length instead of chunks",
    104: "Content-Length instead of chunks, and not at 1 MB/s",
    106: "Content-Length instead of chunks, and not at 1 MB/s",
    116: "Content-Length instead of chunks",
    120: "an upper-case name is no name: 400",
    124: "Content-Length instead of chunks",
    128: "nothing is left under the final name",
    130: "the aborted upload is not listed",
    132: "nothing is left under the final name",
    136: "one answer, and no body after HEAD",
    138: "one answer",
    140: "Content-Length in HTTP/1.0 too",
    142: "answered: 400",
    144: "the server lives when a client leaves a download",
}
MIB = 1 << 20


def test_every_case_is_accounted_for() -> None:
    """No recording from 101 to 147 is left out, and none is in two sets."""
    assert sorted([*SAME, *DIFFERENT]) == numbers(101, 147)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def content_of(size: int) -> bytes:
    """Bytes that are the same in every run."""
    return random.Random(size).randbytes(size)


def put_head(name: str, length: int) -> bytes:
    return f"PUT /objects/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def get_head(name: str, version: str = "1.1") -> bytes:
    return f"GET /objects/{name} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode()


def store(path: str, content: bytes) -> str:
    """Put `content` under its hash; returns the name."""
    with Client(path) as client:
        assert client.send(put_head(sha(content), len(content)), content).answer().status == 200
    return sha(content)


def listed(path: str) -> dict[str, str]:
    """Name and size of every object, as the listing gives them."""
    with Client(path) as client:
        answer = client.send(recording(130).request).answer()
    assert answer.status == 200
    return {entry["sha256"]: entry["size"] for entry in json.loads(answer.body)}


@pytest.fixture(scope="module")
def kilobyte() -> bytes:
    """The object of cases 102, 108 and 140: its bytes are in the recording of 108."""
    return recording(108).request.partition(b"\r\n\r\n")[2]


@pytest.fixture(scope="module")
def filled(socket_path: str, kilobyte: bytes) -> Iterator[str]:
    """The socket of a daemon that holds the objects that the recordings expect."""
    assert store(socket_path, kilobyte) in recording(102).request.decode()
    assert store(socket_path, recording(124).first.body) in recording(124).request.decode()
    assert store(socket_path, b"") in recording(116).request.decode()
    return socket_path


@pytest.mark.parametrize("number", PUT_SAME)
def test_the_recorded_answer(filled: str, number: int) -> None:
    """Stored already, wrong hash, bad name, missing: as recorded."""
    replay(filled, recording(number))


def downloaded(path: str, request: bytes, theirs: Answer, content: bytes) -> None:
    """The recorded download, but with a length."""
    with Client(path) as client:
        ours = client.send(request).answer()
        assert (ours.version, ours.status, ours.reason) == (theirs.version, theirs.status, theirs.reason)
        assert ours.header("content-type") == theirs.header("content-type")
        assert ours.header("transfer-encoding") is None
        assert ours.header("content-length") == str(len(content))
        assert ours.body == content
        assert client.still_open()


@pytest.mark.parametrize("number", [102, 116, 124])
def test_a_download_has_a_length(filled: str, number: int) -> None:
    """Cases 102, 116, 124: the recorded bytes, whole, and the connection goes on."""
    case = recording(number)
    downloaded(filled, case.request, case.first, case.first.body)


@pytest.mark.parametrize(("number", "size"), [(104, MIB), (106, 64 * MIB)])
def test_a_large_download(filled: str, number: int, size: int) -> None:
    """Cases 104 and 106, with other bytes of the same length."""
    content = content_of(size)
    case = recording(number)
    head = case.response.partition(b"\r\n\r\n")[0].replace(b"Transfer-Encoding: chunked", b"Content-Length: 0")
    theirs = next(answers(head + b"\r\n\r\n"))
    downloaded(filled, get_head(store(filled, content)), theirs, content)


def test_a_large_body_with_the_wrong_hash(filled: str) -> None:
    """Case 114: 64 MiB under a name that is not theirs are read to their end, and refused."""
    case = recording(114)
    with Client(filled) as client:
        client.send(put_head("0" * 64, 64 * MIB), content_of(64 * MIB))
        same(client.answer(), case.first)
        ends_the_same(client, case.first)
    assert "0" * 64 not in listed(filled)


def test_an_upper_case_name_is_no_name(filled: str) -> None:
    """Case 120: 400 instead of 422; the body is read away and the connection goes on."""
    with Client(filled) as client:
        ours = client.send(recording(120).request).answer()
        assert (ours.status, ours.body) == (400, b'{"Error":"Request has bad object name"}')
        assert client.still_open()


def test_a_body_without_a_length_is_the_next_request(filled: str) -> None:
    """Case 126: an empty body has the wrong hash, and what follows is no request."""
    case = recording(126)
    with Client(filled) as client:
        client.send(case.request)
        for theirs in case.answers:
            same(client.answer(), theirs)
        assert client.to_end() == b""


@pytest.mark.parametrize(("number", "half_close"), [(128, True), (132, False)])
def test_an_aborted_upload_leaves_nothing(filled: str, number: int, half_close: bool) -> None:
    """Cases 128, 130, 132: announced 2 MiB, sent 1 MiB; closed without an answer, not listed, and a retry works."""
    assert recording(number).response == b""
    content = content_of(2 * MIB + number)
    with Client(filled) as client:
        client.send(put_head(sha(content), len(content)), content[:MIB])
        if half_close:
            assert client.half_close().to_end() == b""
    assert sha(content) not in listed(filled)
    assert store(filled, content) in listed(filled)


def test_the_listing_has_sizes_as_strings(filled: str, kilobyte: bytes) -> None:
    """Case 130: names and sizes, both strings; the recorded ones that are here are listed as recorded."""
    theirs = {entry["sha256"]: entry["size"] for entry in json.loads(recording(130).first.body)}
    ours = listed(filled)
    assert ours[sha(kilobyte)] == theirs[sha(kilobyte)] == "1024"
    assert set(map(type, ours.values())) == {str}


@pytest.mark.parametrize("number", [136, 138])
def test_a_wrong_method_is_answered_once(filled: str, number: int) -> None:
    """Cases 136 and 138: the first of the two answers; HEAD without a body."""
    case = recording(number)
    with Client(filled) as client:
        client.send(case.request, b"GET /containers HTTP/1.1\r\nHost: localhost\r\n\r\n")
        ours, theirs = client.answer(), case.first
        assert (ours.status, ours.reason, ours.headers[0]) == (theirs.status, theirs.reason, theirs.headers[0])
        assert ours.body == (b"" if number == 136 else theirs.body)
        follower = client.answer()
        assert (follower.status, follower.body) == (200, b"[]")


def test_a_download_in_http_1_0(filled: str) -> None:
    """Case 140: the recorded bytes, then the close."""
    case = recording(140)
    with Client(filled) as client:
        ours = client.send(case.request).answer()
        assert (ours.version, ours.status) == (case.first.version, case.first.status)
        assert ours.header("content-type") == case.first.header("content-type")
        assert ours.body == case.first.body
        assert client.to_end() == b""


def test_a_path_with_dots_is_no_endpoint(filled: str) -> None:
    """Case 142, which was never answered: 400."""
    with Client(filled) as client:
        ours = client.send(recording(142).request).answer()
        assert (ours.status, ours.body) == (400, b'{"Error":"unknown endpoint: /objects/../trails/0/.pvr/json"}')
        assert client.still_open()


def test_a_client_that_leaves_a_download(filled: str) -> None:
    """Case 144, after which the real server was gone: others are served as before."""
    name = store(filled, content_of(64 * MIB))
    with Client(filled) as client:
        client.send(get_head(name))
    with Client(filled) as client:
        assert client.still_open()
        assert client.send(get_head(name)).answer().body == content_of(64 * MIB)


def test_two_uploads_of_one_name(filled: str) -> None:
    """Case 146: the second comes while the first is half way; both end with 200, and the object is whole."""
    content = content_of(MIB)[::-1]
    head = put_head(sha(content), len(content))
    with Client(filled) as first, Client(filled) as second:
        first.send(head, content[: MIB // 2])
        # In a thread: it waits in line, unread, until the first has ended.
        sending = threading.Thread(target=second.send, args=(head, content))
        sending.start()
        first.send(content[MIB // 2 :])
        sending.join()
        same(first.answer(), recording(146).first)
        same(second.answer(), recording(146).first)
    with Client(filled) as client:
        assert client.send(get_head(sha(content))).answer().body == content
