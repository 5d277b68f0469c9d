"""/events: at once, waiting, and as a stream; bounded, and honest about what was missed."""

from __future__ import annotations

from typing import Any

import pytest

from pvsched.control.endpoints.events import PAGE, EventFeed
from pvsched.scheduler.events import Event
from tests.unit.control.endpoint_doubles import CALLER, FakeLoop, FakeReply, FakeScheduler, request


class World:
    """A feed of 16 events and two waiters at most."""

    def __init__(self, buffer: int = 16) -> None:
        self.scheduler = FakeScheduler()
        self.loop = FakeLoop()
        self.feed = EventFeed(self.scheduler, self.loop, buffer=buffer, waiters=2, max_wait=60)  # type: ignore[arg-type]
        self.count = 0

    def happen(self, number: int = 1, **data: Any) -> None:
        """So many events happen and are pumped."""
        for _ in range(number):
            self.count += 1
            self.scheduler.events.append(Event(self.count, 1.0, "ended", self.count, data))
        self.feed.pump()

    def ask(self, query: dict[str, str] | None = None, **headers: str) -> FakeReply:
        """A request to /events."""
        reply = FakeReply()
        self.feed.ask(request(query, **headers), reply, (), CALLER)  # type: ignore[arg-type]
        return reply


@pytest.fixture
def world() -> World:
    return World()


def numbers(reply: FakeReply) -> list[int]:
    return [event["seq"] for event in reply.document["events"]]


def test_without_events_the_answer_is_empty(world: World) -> None:
    """next is where to go on."""
    assert world.ask().document == {"events": [], "next": 0, "missed": 0}


def test_events_after_a_number(world: World) -> None:
    """Exactly those above it; `next` is the last one's number."""
    world.happen(5)
    reply = world.ask({"after": "3"})
    assert numbers(reply) == [4, 5]
    assert reply.document["next"] == 5
    assert reply.document["missed"] == 0
    assert world.ask({"after": "5"}).document == {"events": [], "next": 5, "missed": 0}


def test_what_is_kept_no_more_is_counted(world: World) -> None:
    """Of 20 events 16 are kept: whoever saw 2 has missed two."""
    world.happen(20)
    reply = world.ask({"after": "2"})
    assert numbers(reply) == list(range(5, 21))
    assert reply.document["missed"] == 2


def test_events_that_the_feed_itself_lost_are_counted(world: World) -> None:
    """A gap in the numbers is a loss, wherever it happened."""
    world.happen(2)
    world.count += 3
    world.happen(1)
    assert world.ask({"after": "1"}).document["missed"] == 3


def test_a_long_answer_comes_in_pages() -> None:
    """At most 256 events at once; the next request goes on where this one ended, and nothing counts as missed."""
    world = World(buffer=1024)
    world.happen(PAGE + 10)
    first = world.ask()
    assert len(numbers(first)) == PAGE
    second = world.ask({"after": str(first.document["next"])})
    assert numbers(second) == list(range(PAGE + 1, PAGE + 11))
    assert (first.document["missed"], second.document["missed"]) == (0, 0)


def test_a_number_from_before_the_last_start_begins_anew(world: World) -> None:
    """A client that watched an earlier daemon would otherwise wait for ever."""
    world.happen(2)
    assert numbers(world.ask({"after": "4711", "wait": "9"})) == [1, 2]


def test_waiting_ends_with_the_next_event(world: World) -> None:
    """The reply is open until then; the timer goes with it."""
    world.happen(1)
    reply = world.ask({"after": "1", "wait": "30"})
    assert reply.status == 0
    assert world.loop.timers[0].delay == 30
    world.happen(1)
    assert numbers(reply) == [2]
    assert world.loop.timers[0].cancelled
    assert world.feed.watching == 0


def test_waiting_ends_with_the_time(world: World) -> None:
    """An empty answer, and the same number to go on with; never longer than events.max_wait."""
    reply = world.ask({"after": "0", "wait": "9999"})
    assert world.loop.timers[0].delay == 60
    world.loop.pass_time()
    assert reply.document == {"events": [], "next": 0, "missed": 0}


def test_a_client_that_leaves_is_forgotten(world: World) -> None:
    """Its place is free, its timer gone, and nobody answers it."""
    reply = world.ask({"wait": "30"})
    reply.left()
    assert world.feed.watching == 0
    assert world.loop.timers[0].cancelled
    world.happen(1)
    assert reply.status == 0


def test_more_waiters_than_allowed_are_refused(world: World) -> None:
    """503 with Retry-After; those who wait already are not disturbed."""
    first, second = world.ask({"wait": "30"}), world.ask(accept="text/event-stream")
    third, fourth = world.ask({"wait": "30"}), world.ask(accept="text/event-stream")
    for refused in (third, fourth):
        assert refused.status == 503
        assert refused.headers["Retry-After"] == "5"
        assert refused.document["code"] == "too-many-waiters"
    assert first.status == 0
    assert second.streamed is not None


@pytest.mark.parametrize(
    "query", [{"after": "-1"}, {"after": "x"}, {"after": "1" * 20}, {"wait": "-1"}, {"wait": "nan"}, {"wait": "inf"}]
)
def test_bad_queries_are_refused(world: World, query: dict[str, str]) -> None:
    """400 with an error of ours."""
    reply = world.ask(query)
    assert (reply.status, reply.document["code"]) == (400, "bad-query")


def test_a_stream_begins_with_what_is_kept_and_goes_on(world: World) -> None:
    """Server-sent events with their number as id."""
    world.happen(1, lane="x")
    reply = world.ask(accept="text/event-stream")
    stream = reply.streamed
    assert stream is not None
    assert reply.content_type == "text/event-stream"
    world.happen(1)
    blocks = stream.text.split("\n\n")
    assert blocks[1].startswith('id: 1\nevent: ended\ndata: {"seq":1,')
    assert '"lane":"x"' in blocks[1]
    assert blocks[2].startswith("id: 2\n")


def test_a_stream_goes_on_after_last_event_id(world: World) -> None:
    """A browser that reconnects says what it saw last; what it missed is told."""
    world.happen(20)
    stream = world.ask(accept="text/event-stream", last_event_id="2").streamed
    assert stream is not None
    assert 'event: missed\ndata: {"missed":2}' in stream.text
    assert "id: 4\n" not in stream.text
    assert "id: 5\n" in stream.text


def test_a_stream_that_is_left_is_forgotten(world: World) -> None:
    """Nothing more is written."""
    stream = world.ask(accept="text/event-stream").streamed
    assert stream is not None
    stream.left()
    before = stream.text
    world.happen(1)
    assert stream.text == before
    assert world.feed.watching == 0


def test_secrets_are_masked_in_every_form(world: World) -> None:
    """In answers and in streams."""
    stream = world.ask(accept="text/event-stream").streamed
    waiting = world.ask({"wait": "5"})
    world.happen(1, data={"token": "hush"}, error={"message": "password=hush"})
    assert stream is not None
    assert "hush" not in stream.text
    assert b"hush" not in waiting.body + world.ask().body


def test_closing_answers_those_who_wait_and_ends_the_streams(world: World) -> None:
    """A daemon that stops leaves nobody hanging."""
    waiting = world.ask({"wait": "30"})
    stream = world.ask(accept="text/event-stream").streamed
    world.feed.close()
    assert waiting.status == 200
    assert stream is not None
    assert stream.closed


def test_listeners_hear_every_event_once(world: World) -> None:
    """The metrics count by it."""
    heard: list[int] = []
    world.feed.listeners.append(lambda event: heard.append(event.seq))
    world.happen(3)
    world.feed.pump()
    assert heard == [1, 2, 3]
