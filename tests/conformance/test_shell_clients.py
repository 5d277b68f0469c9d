"""What the real shell clients put on the wire, oddities and all, and what they must get.

`pvcurl` speaks HTTP/1.0 through `nc`, with a Content-Length always; pvcontrol with `curl` uploads with Expect and
`identity`; pvtx ends its GETs with a CRLF too many. The expected bodies are those that whole runs of pvcontrol printed
(golden/pvcontrol). The scripts themselves (pantavisor `tools/`, 303584a7) passed by hand with curl and with pvcurl.
"""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from tests.conformance.client import Client
from tests.conformance.recordings import GOLDEN, Answer, answers

CONTENT = bytes(range(256)) * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()
_RUN = re.compile(r"# pvcontrol .* rc=(\d+) .*?\n--- stdout\n(.*?)\n?--- stderr\n(.*)", re.DOTALL)


def printed(name: str) -> str:
    """What the recorded run of pvcontrol printed, on either stream."""
    match = _RUN.fullmatch((GOLDEN / "pvcontrol" / f"{name}.pvcurl.txt").read_text())
    assert match is not None
    return (match.group(2) if match.group(1) == "0" else match.group(3)).strip()


def pvcurl(path: str, method: str, url: str, body: bytes = b"", *fields: str) -> Answer:
    """One run of pvcurl: HTTP/1.0, and for all but GET the end of its side right after the body."""
    lines = [f"{method} {url} HTTP/1.0", "Host: localhost", *fields, "Content-Type: application/json"]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    with Client(path) as client:
        client.send(head.encode() + body)
        if method != "GET":
            client.half_close()
        return next(answers(client.to_end()))


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("ls", "/containers"),
        ("containers-ls", "/containers"),
        ("groups-ls", "/groups"),
        ("buildinfo", "/buildinfo"),
        ("steps-get", "/steps/0"),
        ("steps-get-nope", "/steps/locals/nope"),
        ("steps-show-progress", "/steps/0/progress"),
    ],
)
def test_pvcurl_gets_what_was_printed(socket_path: str, name: str, url: str) -> None:
    """The connection is closed at once: pvcurl waits for that."""
    answer = pvcurl(socket_path, "GET", url)
    assert answer.version == "HTTP/1.0"
    assert answer.body.decode() == printed(name)


@pytest.mark.parametrize(
    ("name", "url", "action"),
    [
        ("containers-start-nope", "/containers/nope", "start"),
        ("daemons-stop-nope", "/daemons/nope", "stop"),
        ("daemons-stop", "/daemons/pv-xconnect", "stop"),
        ("daemons-start", "/daemons/pv-xconnect", "start"),
    ],
)
def test_pvcurl_sends_an_action(socket_path: str, name: str, url: str, action: str) -> None:
    """With its side closed behind the body, and it is answered all the same."""
    answer = pvcurl(socket_path, "PUT", url, json.dumps({"action": action}).encode())
    assert answer.body.decode() == printed(name)


def test_pvcurl_uploads_a_file(socket_path: str) -> None:
    """identity beside a length, in HTTP/1.0, half-closed."""
    fields = ("Content-Type: application/octet-stream", "Transfer-Encoding: identity")
    assert pvcurl(socket_path, "PUT", f"/objects/{SHA}", CONTENT, *fields).status == 200
    wrong = pvcurl(socket_path, "PUT", f"/objects/{'0' * 64}", CONTENT, *fields)
    assert (wrong.status, wrong.body.decode()) == (422, printed("objects-put-bad"))
    assert pvcurl(socket_path, "GET", f"/objects/{SHA}").body == CONTENT


@pytest.mark.parametrize("second", ["0", "", "17"])
def test_pvcurl_uploads_from_a_pipe(socket_path: str, second: str) -> None:
    """The right length first, without a space, then the one that `stat` made of the pipe: the first wins."""
    content = CONTENT + second.encode()
    sha = hashlib.sha256(content).hexdigest()
    lines = (
        f"PUT /objects/{sha} HTTP/1.0",
        "Host: localhost",
        "Transfer-Encoding: identity",
        f"Content-Length:{len(content)}",
        "Content-Type: application/json",
        f"Content-Length: {second}",
    )
    with Client(socket_path) as client:
        client.send("\r\n".join([*lines, "", ""]).encode() + content).half_close()
        assert next(answers(client.to_end())).status == 200


def test_curl_uploads_with_expect(socket_path: str) -> None:
    """100 Continue comes before the body, also of five bytes, and then the answer; the connection goes on."""
    head = (
        f"PUT /objects/{SHA} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
        "Content-Type: application/octet-stream\r\nTransfer-Encoding: identity\r\n"
        f"Content-Length: {len(CONTENT)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with Client(socket_path) as client:
        client.send(head.encode())
        assert client.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.send(CONTENT).answer().status == 200
        assert client.still_open()


def test_curl_without_a_body_sends_no_length(socket_path: str) -> None:
    """A bodyless DELETE or POST is a whole request."""
    with Client(socket_path) as client:
        assert client.send(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 400
        assert client.send(b"DELETE /containers HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 400


def test_pvtx_sends_a_crlf_too_many(socket_path: str) -> None:
    """One answer, with a Content-Length, and the connection goes on."""
    with Client(socket_path) as client:
        answer = client.send(b"GET /steps/current HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n").answer()
        assert answer.header("Content-Length") == str(len(answer.body))
        assert client.still_open()


def test_pvtx_puts_the_empty_object(socket_path: str) -> None:
    """On every update, with lower-case field names and no Expect."""
    sha = hashlib.sha256(b"").hexdigest()
    head = f"PUT /objects/{sha} HTTP/1.1\r\nHost: localhost\r\nContent-type: application/octet-stream\r\n"
    with Client(socket_path) as client:
        for _ in range(2):
            assert client.send(head.encode() + b"Content-length: 0\r\n\r\n").answer().status == 200
