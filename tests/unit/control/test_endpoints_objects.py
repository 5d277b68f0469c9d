"""`/objects`: what is answered at once, what is lent, and how a lease is given back."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pvsched.control.endpoints.objects import ObjectEndpoints, answer
from pvsched.objects.controller import Objects
from pvsched.objects.model import GetResult, ObjectSettings, PutResult
from tests.unit.control.endpoint_doubles import FakeReply

SHA = "ab" * 32


class FakeLease:
    """A lease that remembers how it was given back."""

    def __init__(self, fd: int = -1) -> None:
        self.fd = fd
        self.given: list[tuple[Any, ...]] = []

    def done(self, *, reusable: bool) -> None:
        self.given.append(("done", reusable))

    def answer(self, status: int, *, reusable: bool) -> None:
        self.given.append(("answer", status, reusable))

    def error(
        self,
        status: int,
        text: str,
        *,
        reusable: bool,
        code: str | None,
        hint: str | None,
        headers: Sequence[tuple[str, str]],
    ) -> None:
        self.given.append(("error", status, text, reusable, code, hint, tuple(headers)))


class LendingReply(FakeReply):
    """A reply whose socket can be lent."""

    def __init__(self) -> None:
        super().__init__()
        self.peer, self.lent = socket.socketpair()
        self.lease: FakeLease | None = None

    def lend(self, on_left: Callable[[], None]) -> FakeLease:
        assert self.status == 0
        self.left = on_left
        self.lease = FakeLease(self.lent.fileno())
        return self.lease


class Tasks:
    """A scheduler that only takes notes."""

    def __init__(self) -> None:
        self.added: list[tuple[Any, Callable[[dict[str, Any]], object]]] = []
        self.cancelled: list[tuple[int, str]] = []

    def add_task(self, task: Any, callback: Any = None) -> int:
        self.added.append((task, callback))
        return len(self.added)

    def cancel(self, id: int, by: str = "caller") -> bool:
        self.cancelled.append((id, by))
        return True

    def set_lane(self, name: str, limit: int | None = None, weight: Any = "medium") -> None: ...

    def stats(self) -> dict[str, Any]:
        return {"workers": 2}

    def end(self, data: Any, outcome: str = "succeeded") -> None:
        """Ends the task that was added last."""
        self.added[-1][1]({"outcome": outcome, "data": data, "started_at": 1.0})


@pytest.fixture
def tasks() -> Tasks:
    """The scheduler."""
    return Tasks()


@pytest.fixture
def endpoints(tasks: Tasks, tmp_path: Path) -> Iterator[ObjectEndpoints]:
    """The handlers, over a store that was not scanned yet."""
    objects = Objects(tasks, str(tmp_path), ObjectSettings())
    yield ObjectEndpoints(objects)
    objects.close()


@pytest.fixture
def reply() -> Iterator[LendingReply]:
    """The answer to a request."""
    made = LendingReply()
    yield made
    made.peer.close()
    made.lent.close()


def request(**changes: Any) -> Any:
    """A request's head."""
    body = SimpleNamespace(kind="length", length=3)
    return SimpleNamespace(
        **{"headers": {}, "body": body, "expect_continue": False, "version": (1, 1), "keep_alive": True, **changes}
    )


def call(handler: Any, reply: LendingReply, *params: str, **changes: Any) -> None:
    """Calls a handler as the router does."""
    handler(request(**changes), reply, params, SimpleNamespace())


def test_a_listing_waits_for_the_scan_and_then_costs_none(
    endpoints: ObjectEndpoints, tasks: Tasks, reply: LendingReply
) -> None:
    """The first one that is asked for before the index is there is answered at the end of the scan."""
    call(endpoints.listing, reply)
    assert (reply.status, [task.name for task, _ in tasks.added]) == (0, ["object_scan"])
    tasks.end({"objects": {SHA: 5}, "removed": 0, "rotten": []})
    assert reply.body == f'[{{"sha256":"{SHA}","size":"5"}}]'.encode()
    again = FakeReply()
    endpoints.listing(request(), again, (), SimpleNamespace())  # type: ignore[arg-type]
    assert (again.body, len(tasks.added)) == (reply.body, 1)


def test_a_listing_of_a_store_that_cannot_be_read_is_an_error(
    endpoints: ObjectEndpoints, tasks: Tasks, reply: LendingReply
) -> None:
    """As recorded, with a code of ours."""
    call(endpoints.listing, reply)
    tasks.end(None, "failed")
    assert (reply.status, reply.document["Error"]) == (500, "couldn't get device objects")


def test_bad_names_are_answered_without_lending(endpoints: ObjectEndpoints, tasks: Tasks, reply: LendingReply) -> None:
    """No task, no lease: the connection sees to the body."""
    call(endpoints.put, reply, SHA.upper())
    assert (reply.status, reply.document["Error"], reply.lease) == (400, "Request has bad object name", None)
    for handler, status in ((endpoints.get, 400), (endpoints.verify, 404)):
        other = FakeReply()
        handler(request(), other, ("x" * 64,), SimpleNamespace())  # type: ignore[arg-type]
        assert other.status == status
    assert tasks.added == []


def test_a_put_lends_and_gives_back_with_the_answer(
    endpoints: ObjectEndpoints, tasks: Tasks, reply: LendingReply
) -> None:
    """What the worker reports becomes the answer; the leaving of the client becomes a cancel."""
    call(endpoints.put, reply, SHA)
    [(task, _)] = tasks.added
    assert (task.name, task.data["kind"], task.data["length"]) == ("object_put", "length", 3)
    assert task.options["fds"]["client"] == reply.lent.fileno()
    reply.left()
    assert tasks.cancelled == [(1, "client-left")]
    tasks.end({"result": "bad-hash", "reusable": True})
    assert reply.lease is not None
    assert reply.lease.given == [("error", 422, "Object has bad checksum", True, None, None, ())]


def test_a_get_lends_with_the_range_that_counts(endpoints: ObjectEndpoints, tasks: Tasks, reply: LendingReply) -> None:
    """If-Range is judged here; the worker answers, the loop takes the socket back."""
    headers = {"range": "bytes=1-", "if-range": f'"{SHA}"'}
    call(endpoints.get, reply, SHA, headers=headers, keep_alive=False)
    assert (tasks.added[0][0].data["range"], tasks.added[0][0].data["keep_alive"]) == ("bytes=1-", False)
    tasks.end({"result": "sent", "reusable": False})
    assert reply.lease is not None
    assert reply.lease.given == [("done", False)]


@pytest.mark.parametrize(
    ("outcome", "data", "status", "document"),
    [
        ("succeeded", {"result": "good", "size": 1}, 200, {"sha256": SHA, "good": True}),
        ("succeeded", {"result": "rotten"}, 200, {"sha256": SHA, "good": False}),
        ("succeeded", {"result": "missing"}, 404, None),
        ("succeeded", {"result": "unreadable", "detail": "Input/output error"}, 500, None),
        ("timed_out", None, 500, None),
    ],
)
def test_a_verification_says_what_it_found(
    endpoints: ObjectEndpoints,
    tasks: Tasks,
    reply: LendingReply,
    outcome: str,
    data: Any,
    status: int,
    document: Any,
) -> None:
    """Good, rotten, gone or unreadable: four different answers."""
    call(endpoints.verify, reply, SHA)
    tasks.end(data, outcome)
    assert reply.status == status
    assert document is None or reply.document == document


@pytest.mark.parametrize(
    ("result", "given"),
    [
        (PutResult(200, reusable=True), ("answer", 200, True)),
        (PutResult(0), ("done", False)),
        (GetResult(0, reusable=True), ("done", True)),
        (
            PutResult(503, "Full", False, "queue-full", "later", 5),
            ("error", 503, "Full", False, "queue-full", "later", (("Retry-After", "5"),)),
        ),
    ],
)
def test_each_result_gives_the_lease_back_once(result: PutResult | GetResult, given: tuple[Any, ...]) -> None:
    """By an answer, an error, or by nothing but the socket."""
    lease = FakeLease()
    answer(lease, result)  # type: ignore[arg-type]
    assert lease.given == [given]
