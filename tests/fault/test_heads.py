"""Reliability rows D1 to D4: request heads against an oracle, cut anywhere, and clients that mean no good.

PVSCHED_HEADS sets the amount of D1 (CI: 100000), PVSCHED_SEED its beginning; both are printed when a test fails.
"""

from __future__ import annotations

import os
import random
import socket
from contextlib import ExitStack

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pvsched.control.caller import Caller
from pvsched.control.head import HttpError
from pvsched.control.http import parse_head
from pvsched.control.limits import Limits
from pvsched.control.routes import SEGMENT_LIMIT, Refusal, Router
from tests.conformance.recordings import numbers, recording
from tests.fault.head_grammar import head
from tests.fault.head_oracle import TABLE, Rule, difference, ours
from tests.unit.control.control_rig import SMALL, Peer, Rig, body_of

AMOUNT = int(os.environ.get("PVSCHED_HEADS", "5000"))
SEED = int(os.environ.get("PVSCHED_SEED", "1"))
AGAIN = f"PVSCHED_HEADS={AMOUNT} PVSCHED_SEED={SEED} pytest tests/fault/test_heads.py"
TIMES = 50
HOST = Caller(1, 0, None, True)


def test_d1_every_difference_from_h11_is_explained() -> None:
    """Random heads, nearly right, read by us and by h11: equal, or a rule of the table says why not."""
    source = random.Random(SEED)
    used: set[Rule] = set()
    for _ in range(AMOUNT):
        found = difference(head(source))
        assert not isinstance(found, str), f"{found}\nagain: {AGAIN}"
        if found is not None:
            used.add(found)
    if AMOUNT >= 50_000:
        assert used == set(TABLE), f"explains nothing: {set(TABLE) - used}"


def test_d1_the_grammar_reaches_all_three_ends() -> None:
    """It would prove little if nearly all heads were refused."""
    source = random.Random(SEED)
    kinds = [ours(head(source)).kind for _ in range(2000)]
    assert min(kinds.count("request") * 5, kinds.count("refused"), kinds.count("unfinished") * 40) > 1000


@given(st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_d1_with_hypothesis(source: random.Random) -> None:
    """The same grammar, shrunk to the smallest head that nobody can explain."""
    found = difference(head(source))
    assert not isinstance(found, str), found


@given(st.binary(max_size=200))
@example(b"GET / HTTP/1.1\r\n\r\n")
@settings(max_examples=300, deadline=None)
def test_d1_any_bytes_end_in_one_of_three_ways(raw: bytes) -> None:
    """A request, a refusal, or more to come; no other exception."""
    assert ours(raw).kind in ("request", "refused", "unfinished")


def test_d1_the_parser_never_sees_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the head says, what httptools gets frames no body and asks for no upgrade."""
    seen: list[bytes] = []

    class Spy:
        def __init__(self, protocol: object) -> None:
            self.real = httptools.HttpRequestParser(protocol)

        def feed_data(self, data: bytes) -> None:
            seen.append(data.lower())
            self.real.feed_data(data)

    class Fake:
        HttpRequestParser = Spy
        HttpParserError = httptools.HttpParserError

    monkeypatch.setattr("pvsched.control.http.httptools", Fake)
    source = random.Random(SEED)
    for _ in range(2000):
        ours(head(source))
    assert len(seen) > 200
    for data in seen:
        assert data.endswith(b"\r\n\r\n")
        assert data.count(b"\r\n\r\n") == 1
        for name in (b"\ncontent-length:", b"\ntransfer-encoding:", b"\nupgrade:"):
            assert name not in data


# -- D2 ----------------------------------------------------------------------------------------------------------------
def golden(number: int) -> bytes:
    return recording(number).request


def answer_to(rig: Rig, *pieces: bytes) -> bytes:
    """Everything that comes back for `pieces`, sent one by one; dates left out."""
    peer = Peer(rig)
    for piece in pieces:
        peer.send(piece)
    data = peer.half_close().to_end()
    peer.sock.close()
    lines = data.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"Date: "))


@pytest.mark.parametrize("number", [n for n in numbers(1, 62) if not recording(n).elided])
def test_d2_a_request_in_two_pieces_gets_the_same_answer(rig: Rig, number: int) -> None:
    """Over real sockets, every split point of the short recordings (all of them: tests/unit/control/test_head.py)."""
    request = golden(number)
    whole = answer_to(rig, request)
    for cut in range(1, len(request)):
        assert answer_to(rig, request[:cut], request[cut:]) == whole, cut
    assert rig.server.connections == 0


@pytest.mark.parametrize("number", [2, 40, 60, 108])
def test_d2_a_request_byte_by_byte_gets_the_same_answer(rig: Rig, number: int) -> None:
    """The smallest pieces there are."""
    request = golden(number)
    assert answer_to(rig, *(request[i : i + 1] for i in range(len(request)))) == answer_to(rig, request)


# -- D3 ----------------------------------------------------------------------------------------------------------------
def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.usefixtures("room_for_clients")
def test_d3_a_thousand_idle_connections_take_a_bounded_number_of_descriptors() -> None:
    """Fifty times: the oldest make room; one more client is answered at once, and nothing is left afterwards."""
    rig = Rig(Limits(connections=100))
    before = descriptors()
    for _ in range(TIMES):
        with ExitStack() as clients:
            for _ in range(1000):
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(rig.path)
                rig.loop.turn(0)
            assert rig.server.connections == 100
            assert descriptors() - before <= 1000 + 100
            peer = Peer(rig)
            assert peer.ask(SMALL).endswith(b"[]")
            peer.close()
        while rig.server.connections:
            rig.turn()
        assert descriptors() == before
    rig.close()


def test_d3_slow_heads_do_not_keep_others_out() -> None:
    """Fifty that send a byte now and then;
    others are answered within the same few turns, the slow ones end with 408.
    """
    rig = Rig(Limits(connections=TIMES))
    slow = [rig.peer() for _ in range(TIMES - 1)]
    request = SMALL * 2
    for at in range(20):
        for peer in slow:
            peer.sock.send(request[at : at + 1])
        quick = rig.peer()
        assert quick.ask(SMALL).endswith(b"[]")
        quick.close()
        rig.pass_time(0.4)
    assert rig.server.connections == TIMES - 1
    rig.pass_time(3)
    for peer in slow:
        assert peer.recv().startswith(b"HTTP/1.1 408")
    rig.close()


def in_state(rig: Rig, state: str) -> Peer:
    """A client whose connection is in `state`."""
    peer = Peer(rig)
    requests = {
        "idle": b"",
        "head": b"GET /sm",
        "body": b"PUT /echo/a HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        "wait": b"GET /wait HTTP/1.1\r\n\r\n",
        "stream": b"GET /wait HTTP/1.1\r\n\r\n",
        "lent": b"PUT /lend HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        "send": b"GET /large HTTP/1.1\r\n\r\n",
        "linger": b"FOO / HTTP/1.1\r\n\r\n",
    }
    peer.send(requests[state])
    if state == "lent":
        lease = rig.replies[-1].lend(lambda: lease.done(reusable=False))
    elif state == "stream":
        rig.replies[-1].stream("text/event-stream").on_left(rig.leave)
    elif state == "wait":
        rig.replies[-1].on_left(rig.leave)
    rig.turn()
    assert rig.server.states() == {state: 1}
    return peer


STATES = ("idle", "head", "body", "wait", "stream", "lent", "send", "linger")


@pytest.mark.parametrize("state", STATES)
def test_d3_a_client_that_breaks_off_leaves_nothing(rig: Rig, state: str) -> None:
    """In each state, with bytes of ours unread, which resets the connection: the next client is served."""
    rig.router.add("GET", "/large", lambda q, r, p, c: r.send(200, b"x" * 4_000_000))
    before = descriptors()
    for _ in range(TIMES):
        in_state(rig, state).close()
        rig.turn()
        assert rig.server.connections == 0
    assert descriptors() == before
    assert rig.loop._next_due() is None
    assert rig.left == (TIMES if state in ("wait", "stream") else 0)
    assert rig.peer().ask(SMALL).endswith(b"[]")


@pytest.mark.parametrize("state", STATES)
def test_d3_a_half_close_in_each_state(rig: Rig, state: str) -> None:
    """Ends what needed more from the client, and nothing else; a full close ends the rest."""
    rig.router.add("GET", "/large", lambda q, r, p, c: r.send(200, b"x" * 4_000_000))
    before = descriptors()
    for _ in range(TIMES):
        peer = in_state(rig, state).half_close()
        assert rig.server.connections == (0 if state in ("idle", "head", "body", "linger") else 1)
        peer.close()
        rig.turn()
        assert rig.server.connections == 0
    assert descriptors() == before


def test_d3_a_flood_of_pipelined_requests_is_taken_one_by_one(rig: Rig) -> None:
    """A client that sends ten thousand and reads nothing stops itself; others are served meanwhile."""
    flood = rig.peer()
    view = memoryview(SMALL * 10_000)
    while view:
        try:
            view = view[flood.sock.send(view) :]
        except BlockingIOError:
            rig.turn()
            if rig.server.states().get("send"):
                break
    assert rig.server.states() == {"send": 1}
    assert rig.peer().ask(SMALL).endswith(b"[]")


# -- D4 ----------------------------------------------------------------------------------------------------------------
PARTS = (
    "..", ".", "%2e%2e", "%2E.", "%252e%252e", "%00", "%0d%0a", "%2f", "%5c", "\\", "objects", "trails", "etc",
    "passwd", "a" * 64, "A" * 64, "a" * 63 + "%", "%c0%ae", "%e2%80%ae", "%ff", "", "~root", "a" * 255, "a" * 256, "{}",
    "*", ";", "?x",
)  # fmt: skip


def targets(amount: int) -> list[str]:
    """Paths that try to get out."""
    source = random.Random(SEED)
    return ["/" + "/".join(source.choices(PARTS, k=source.randrange(1, 6))) for _ in range(amount)]


def test_d4_a_path_attack_reaches_no_handler_but_as_one_raw_segment() -> None:
    """10,000 targets: refused, or handed to a handler as segments with nothing decoded, no slash, at most 255 bytes."""
    router = Router()
    for pattern in ("/objects/{}", "/steps/{}", "/steps/{}/progress", "/steps/locals/{}"):
        router.add("GET", pattern, lambda q, r, p, c: None)
    router.add("GET", "/objects", lambda q, r, p, c: None)
    reached = refused = 0
    statuses = set()
    for target in targets(10_000):
        try:
            request = parse_head(f"GET {target} HTTP/1.1\r\n\r\n".encode())
            _route, params = router.find(request, HOST)
        except (HttpError, Refusal) as error:
            statuses.add(error.status)
            refused += 1
            continue
        reached += 1
        for value in params:
            assert 0 < len(value) <= SEGMENT_LIMIT
            assert "/" not in value
            assert value in target
        if not params:
            assert request.path == "/objects"
    assert reached > 50
    assert refused > 5000
    assert statuses == {400}


def test_d4_an_attack_over_the_socket_is_answered_once(rig: Rig) -> None:
    """A sample on one connection: each gets exactly one answer, and the connection goes on, or says why it ends."""
    peer = rig.peer()
    for target in targets(500):
        answer = peer.ask(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"\0" not in body_of(answer)
        if b"Connection: close" in answer:
            peer.close()
            peer = rig.peer()
    assert peer.ask(SMALL).endswith(b"[]")
