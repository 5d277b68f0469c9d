"""One connection, over real sockets: heads, bodies, answers, lending, streams, and every way to end."""

from __future__ import annotations

import array
import json
import os
import socket

import pytest

from pvsched.control.limits import Limits
from tests.unit.control.control_rig import SMALL, Rig, body_of

LEND = b"PUT /lend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
WAIT = b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_small_get_is_answered_as_recorded(rig: Rig) -> None:
    """Content-Type, Date, Content-Length, in this order, and the connection goes on."""
    answer = rig.peer().ask(SMALL)
    lines = answer.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert [line.partition(":")[0] for line in lines[1:4]] == ["Content-Type", "Date", "Content-Length"]
    assert body_of(answer) == b"[]"
    assert rig.server.states() == {"idle": 1}


def test_an_idle_connection_arms_no_timer(rig: Rig) -> None:
    """Idle is zero wake-ups: nothing is due, before a request and after one."""
    peer = rig.peer()
    assert rig.loop._next_due() is None
    peer.ask(SMALL)
    assert rig.loop._next_due() is None


def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    """Each once, in the order they came in."""
    requests = b"".join(b"GET /echo/%d HTTP/1.1\r\n\r\n" % n for n in range(20))
    answers = rig.peer().send(requests).recv(lambda data: data.count(b"HTTP/1.1 200") == 20 and data.endswith(b"19|"))
    assert [part.rpartition(b"\r\n")[2] for part in answers.split(b"|")[:-1]] == [b"%d" % n for n in range(20)]


def test_the_next_request_waits_for_the_answer_before_it(rig: Rig) -> None:
    """While a handler is busy nothing more is read, and what was sent meanwhile is answered afterwards."""
    peer = rig.peer().send(WAIT + SMALL)
    rig.turn()
    assert (len(rig.replies), peer.now()) == (1, None)
    rig.replies[0].send(200, b"late")
    assert peer.recv(lambda data: data.endswith(b"[]")).count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_http_1_0_closes_and_1_1_goes_on(rig: Rig, version: bytes) -> None:
    """And the answer says the version of the request."""
    peer = rig.peer().send(SMALL.replace(b"1.1", version))
    answer = peer.recv()
    assert answer.startswith(b"HTTP/" + version)
    assert (peer.now() == b"") is (version == b"1.0")
    assert (b"Content-Length" in answer) is (version == b"1.1")


def test_connection_close_is_repeated_and_done(rig: Rig) -> None:
    """The client says close; the answer says so last, and the server does."""
    answer = rig.peer().send(SMALL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).to_end()
    assert b"Content-Length: 2\r\nConnection: close\r\n\r\n[]" in answer


def test_a_body_is_collected_to_its_last_byte(rig: Rig) -> None:
    """And no byte of the next request with it."""
    request = b"PUT /echo/a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    answer = rig.peer().send(request + SMALL).recv(lambda data: data.endswith(b"[]"))
    assert b"a|hello" in answer


def test_a_chunked_body_is_put_together(rig: Rig) -> None:
    """Extensions and trailers are dropped."""
    request = b"PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: v\r\n\r\n"
    answer = rig.peer().send(request + SMALL).recv(lambda data: data.endswith(b"[]"))
    assert b"a|hello" in answer


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_over_the_limit_is_507_and_the_connection_goes_on(rig: Rig, framing: str) -> None:
    """One answer only; the body is read away."""
    if framing == "length":
        request = b"PUT /echo/a HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001
    else:
        request = b"PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n"
    answers = rig.peer().send(request + SMALL).recv(lambda data: data.endswith(b"[]"))
    assert answers.count(b"HTTP/1.1 ") == 2
    assert b"507 Insufficient Storage" in answers
    assert b'{"Error":"Not enough disk space available"}' in answers
    assert rig.requests == []


def test_a_body_that_nobody_wants_is_read_before_the_answer(rig: Rig) -> None:
    """A client that is still sending would not look at an early answer."""
    head = b"PUT /nothing HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n"
    peer = rig.peer().send(head + b"x" * 2_999_999)
    assert peer.now() is None
    answers = peer.send(b"x" + SMALL).recv(lambda data: data.endswith(b"[]"))
    assert answers.startswith(b"HTTP/1.1 400 Bad Request")


def test_an_unwanted_body_over_the_drain_limit_ends_the_connection() -> None:
    """The answer comes at once, says close, and the rest is read for a moment only."""
    rig = Rig(Limits(drain=1000, linger=5000))
    try:
        peer = rig.peer().send(b"PUT /nothing HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9000)
        answer = peer.to_end()
        assert b"Connection: close" in answer
        assert answer.count(b"HTTP/1.1") == 1
        assert rig.server.connections == 0
    finally:
        rig.close()


def test_an_unwanted_chunked_body_over_the_drain_limit_ends_the_connection() -> None:
    """The same where the length is not known beforehand."""
    rig = Rig(Limits(drain=1000))
    try:
        peer = rig.peer().send(b"PUT /nothing HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + b"x" * 9000)
        assert b"Connection: close" in peer.recv()
        peer.half_close()
        assert rig.server.connections == 0
    finally:
        rig.close()


def test_expect_100_continue_is_answered_before_the_body(rig: Rig) -> None:
    """Once, and then the answer itself."""
    peer = rig.peer()
    assert peer.ask(b"PUT /echo/a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n") == (
        b"HTTP/1.1 100 Continue\r\n\r\n"
    )
    assert peer.ask(b"hi").startswith(b"HTTP/1.1 200 OK")


def test_no_100_continue_for_a_body_that_is_there(rig: Rig) -> None:
    """The client did not wait for it."""
    answer = rig.peer().ask(b"PUT /echo/a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi")
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_a_refusal_instead_of_100_continue_ends_the_connection(rig: Rig) -> None:
    """The client may or may not send its body now: only a close is unambiguous."""
    peer = rig.peer().send(b"PUT /nothing HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    answer = peer.recv()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Connection: close" in answer
    assert b"100 Continue" not in answer


def test_another_expectation_is_417(rig: Rig) -> None:
    """With the recorded page, and a close."""
    answer = rig.peer().send(SMALL.replace(b"\r\n\r\n", b"\r\nExpect: gold\r\n\r\n")).recv()
    assert answer.startswith(b"HTTP/1.1 417 Expectation Failed\r\nContent-Type: text/html\r\nConnection: close\r\n")
    assert body_of(answer) == b'{"Error": "Unsupported protocol"}'


def test_a_bad_chunk_is_413(rig: Rig) -> None:
    """As recorded: the page, and a close."""
    answer = rig.peer().send(b"PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n").recv()
    assert answer.startswith(b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: text/html\r\nConnection: close")


def test_a_bad_chunk_in_an_unwanted_body_leaves_the_answer_as_it_was(rig: Rig) -> None:
    """The first of the two answers that the recorded device gives, and only that."""
    peer = rig.peer().send(b"PUT /nothing HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n")
    answer = peer.half_close().to_end()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"Connection: close" in answer


@pytest.mark.parametrize("where", ["head", "body"])
def test_what_is_cut_short_gets_only_a_close(rig: Rig, where: str) -> None:
    """No answer, in the middle of a head or of a body."""
    sent = b"GET /small HT" if where == "head" else b"PUT /echo/a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel"
    assert rig.peer().send(sent).half_close().to_end() == b""
    assert rig.requests == []


def test_a_half_closed_client_is_answered(rig: Rig) -> None:
    """pvcurl ends its side right after the request; that is no leaving, however long the answer takes."""
    peer = rig.peer().send(WAIT).half_close()
    rig.replies[0].on_left(rig.leave)
    rig.turn()
    rig.replies[0].send(200, b"late")
    assert body_of(peer.to_end()) == b"late"
    assert rig.left == 0


def test_a_client_that_leaves_is_reported_once(rig: Rig) -> None:
    """And an answer after that goes nowhere, in silence."""
    peer = rig.peer().send(WAIT)
    rig.replies[0].on_left(rig.leave)
    peer.close()
    assert (rig.left, rig.server.connections) == (1, 0)
    rig.replies[0].on_left(rig.leave)
    assert rig.left == 2  # asked for after it happened: told at once
    rig.replies[0].send(200, b"late")
    assert rig.log.records == []


def test_a_second_answer_is_logged_and_dropped(rig: Rig) -> None:
    """The client would take it for the answer to its next request."""
    peer = rig.peer().send(WAIT)
    rig.replies[0].send(200, b"one")
    rig.replies[0].send(200, b"two")
    assert body_of(peer.recv()) == b"one"
    assert peer.ask(SMALL).endswith(b"[]")
    assert [level for level, _ in rig.log.records] == ["error"]


def test_a_handler_that_raises_is_500_and_logged(rig: Rig) -> None:
    """With an error of ours, and the connection goes on."""
    peer = rig.peer()
    answer = peer.ask(b"GET /fail HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error")
    assert set(json.loads(body_of(answer))) == {"Error", "code", "hint"}
    assert rig.log.records[0][0] == "error"
    assert peer.ask(SMALL).endswith(b"[]")


def test_a_head_that_takes_too_long_is_408(rig: Rig) -> None:
    """Counted from its first byte; bytes that trickle in buy no time."""
    peer = rig.peer().send(b"GET /sm")
    rig.pass_time(9.9)
    peer.send(b"all HTTP/1.1\r\n")
    assert peer.now() is None
    rig.pass_time(0.2)
    answer = peer.recv()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout")
    assert json.loads(body_of(answer))["code"] == "head-timeout"


def test_a_body_without_progress_is_408(rig: Rig) -> None:
    """Counted from its last byte."""
    peer = rig.peer().send(b"PUT /echo/a HTTP/1.1\r\nContent-Length: 5\r\n\r\nh")
    rig.pass_time(29)
    peer.send(b"e")
    rig.pass_time(29)
    assert peer.now() is None
    rig.pass_time(2)
    assert json.loads(body_of(peer.recv()))["code"] == "body-timeout"


def test_a_head_over_the_limit_is_431(rig: Rig) -> None:
    """And one of exactly the limit is served."""
    room = Limits().head - len(b"GET /small HTTP/1.1\r\nX: \r\n\r\n")
    fitting = b"GET /small HTTP/1.1\r\nX: " + b"a" * room + b"\r\n\r\n"
    assert rig.peer().send(fitting).recv().startswith(b"HTTP/1.1 200")
    answer = rig.peer().send(fitting.replace(b"X: ", b"X: a")).recv()
    assert answer.startswith(b"HTTP/1.1 431")
    assert json.loads(body_of(answer))["code"] == "head-too-large"


def test_a_client_that_does_not_read_is_closed(rig: Rig) -> None:
    """Its answer is kept, and not for ever; others are served meanwhile."""
    rig.router.add("GET", "/large", lambda q, r, p, c: r.send(200, b"x" * 4_000_000))
    slow = rig.peer().send(b"GET /large HTTP/1.1\r\n\r\n")
    assert rig.server.states() == {"send": 1}
    assert rig.peer().ask(SMALL).endswith(b"[]")
    rig.pass_time(59)
    assert slow.now()
    rig.turn()
    rig.pass_time(59)
    assert rig.server.states() == {"send": 1, "idle": 1}  # it read something in between
    rig.pass_time(2)
    assert rig.server.states() == {"idle": 1}


def test_a_large_answer_arrives_whole(rig: Rig) -> None:
    """Through the writer, piece by piece, and the next request is served after it."""
    content = os.urandom(3_000_000)
    rig.router.add("GET", "/large", lambda q, r, p, c: r.send(200, content))
    peer = rig.peer().send(b"GET /large HTTP/1.1\r\n\r\n" + SMALL)
    answers = peer.recv(lambda data: data.endswith(b"[]"))
    assert content in answers
    assert rig.loop._next_due() is None


def test_a_lent_socket_starts_at_the_body(rig: Rig) -> None:
    """The head is consumed to its last byte, the body not at all, and the loop leaves the socket alone."""
    peer = rig.peer().send(LEND + b"body")
    lease = rig.replies[0].lend(rig.leave)
    assert rig.server.states() == {"lent": 1}
    rig.turn()
    worker = socket.socket(fileno=os.dup(lease.fd))
    assert worker.recv(100) == b"body"
    worker.close()
    lease.answer(200, reusable=True)
    assert peer.recv().startswith(b"HTTP/1.1 200 OK")
    assert peer.ask(SMALL).endswith(b"[]")


@pytest.mark.parametrize("cut", range(1, len(LEND)))
def test_a_lent_socket_starts_at_the_body_wherever_the_head_was_cut(rig: Rig, cut: int) -> None:
    """Also when the head came in two parts."""
    rig.peer().send(LEND[:cut]).send(LEND[cut:] + b"body")
    lease = rig.replies[0].lend(rig.leave)
    worker = socket.socket(fileno=os.dup(lease.fd))
    assert worker.recv(100) == b"body"
    worker.close()
    lease.done(reusable=False)


def test_a_full_close_of_a_lent_socket_is_heard_once_and_a_half_close_not(rig: Rig) -> None:
    """The descriptor stays open until the lease is given back, so that its number is nobody else's."""
    peer = rig.peer().send(LEND).half_close()
    lease = rig.replies[0].lend(rig.leave)
    rig.turn()
    assert rig.left == 0
    peer.close()
    rig.turn(20)
    assert (rig.left, rig.server.connections) == (1, 1)
    os.fstat(lease.fd)
    lease.answer(200, reusable=True)
    assert rig.server.connections == 0


@pytest.mark.parametrize("reusable", [True, False])
def test_a_lease_that_is_done_goes_on_or_closes(rig: Rig, reusable: bool) -> None:
    """The worker has answered by itself, or died in the middle: then there is no second answer, only a close."""
    peer = rig.peer().send(LEND.replace(b"Content-Length: 4\r\n", b""))
    lease = rig.replies[0].lend(rig.leave)
    lease.done(reusable=reusable)
    if reusable:
        assert peer.ask(SMALL).endswith(b"[]")
    else:
        assert peer.to_end() == b""
    lease.done(reusable=True)
    assert rig.log.records[-1][0] == "error"  # given back twice


def test_an_answer_over_an_unread_body_ends_the_connection(rig: Rig) -> None:
    """The rest of the body must not be read as the next request."""
    peer = rig.peer().send(LEND + b"bo")
    rig.replies[0].lend(rig.leave).error(507, "Not enough disk space available", reusable=False)
    peer.send(b"dy" + SMALL)
    answer = peer.half_close().to_end()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer


def test_a_lendable_request_may_be_refused_with_its_body_unread(rig: Rig) -> None:
    """The handler answers at once, the body is read away, the connection goes on."""
    peer = rig.peer().send(LEND)
    rig.replies[0].error(400, "Request has bad object name")
    assert peer.now() is None
    answers = peer.send(b"body" + SMALL).recv(lambda data: data.endswith(b"[]"))
    assert b'{"Error":"Request has bad object name"}' in answers


def test_a_stream_goes_on_until_it_is_closed(rig: Rig) -> None:
    """The head at once, then what is written, then the end."""
    peer = rig.peer().send(WAIT)
    stream = rig.replies[0].stream("text/event-stream")
    assert stream.write(b"data: 1\n\n")
    head = peer.recv()
    assert b"content-type: text/event-stream\r\n" in head
    assert b"Content-Length" not in head
    stream.write(b"data: 2\n\n")
    stream.close()
    assert not stream.write(b"data: 3\n\n")
    assert (head + peer.to_end()).endswith(b"data: 1\n\ndata: 2\n\n")


def test_a_stream_whose_client_does_not_read_is_closed(rig: Rig) -> None:
    """Its buffer is bounded, and the writer is told."""
    rig.peer().send(WAIT)
    stream = rig.replies[0].stream("text/event-stream")
    stream.on_left(rig.leave)
    writes = 0
    while stream.write(b"x" * 10_000):
        writes += 1
        assert writes < 1000
    assert (rig.left, rig.server.connections) == (1, 0)


def test_a_stream_hears_of_a_client_that_leaves(rig: Rig) -> None:
    """Without writing anything."""
    peer = rig.peer().send(WAIT)
    rig.replies[0].stream("text/event-stream").on_left(rig.leave)
    peer.close()
    assert (rig.left, rig.server.connections) == (1, 0)


def test_descriptors_that_a_client_sends_along_are_closed(rig: Rig) -> None:
    """With a head, in its middle, and with a body: none stays open, here or in flight."""
    before = set(os.listdir("/proc/self/fd"))
    peer = rig.peer()
    reader, writer = os.pipe()
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))]
    for piece in (b"PUT /echo/a HT", b"TP/1.1\r\nContent-Length: 4\r\n\r\n", b"bo", b"dy"):
        peer.sock.sendmsg([piece], passed)
        rig.turn()
    os.close(writer)
    assert peer.recv().endswith(b"a|body")
    assert os.read(reader, 1) == b""  # nobody holds the writing end any more
    os.close(reader)
    assert len(set(os.listdir("/proc/self/fd")) - before) == 2  # the connection's two ends


def test_stray_empty_lines_before_a_request_are_skipped(rig: Rig) -> None:
    """pvtx sends one CRLF too many; it is neither a request nor the start of a slow one."""
    peer = rig.peer()
    assert peer.ask(SMALL + b"\r\n").endswith(b"[]")
    rig.pass_time(100)
    assert rig.server.states() == {"idle": 1}
    assert peer.ask(b"\r\n" + SMALL).endswith(b"[]")
    assert peer.send(b"\r\n" * 5).recv().startswith(b"HTTP/1.1 400")


def test_head_and_204_have_no_body(rig: Rig) -> None:
    """Where Pantavisor sends one all the same."""
    assert body_of(rig.peer().ask(b"HEAD /small HTTP/1.1\r\n\r\n")) == b""
    answer = rig.peer().ask(b"GET /none HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 204 No Content")
    assert body_of(answer) == b""


def test_a_chunked_body_given_up_half_way_is_not_read_as_another() -> None:
    """Over its limit and over the drain limit, in the middle of a chunk: one answer, and the end."""
    rig = Rig(Limits(drain=3000))
    try:
        head = b"PUT /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        peer = rig.peer().send(head + b"ffff\r\n" + b"0\r\n\r\n" * 2000)
        answer = peer.half_close().to_end()
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"507 Insufficient Storage" in answer
        assert b"Connection: close" in answer
    finally:
        rig.close()
