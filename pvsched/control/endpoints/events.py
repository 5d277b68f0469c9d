"""`/events`: what happened, for those who ask now, those who wait, and those who stay (server-sent events)."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pvsched.masking import masked

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply, Stream
    from pvsched.control.routes import Router
    from pvsched.loop import Loop, Timer
    from pvsched.scheduler.events import Event
    from pvsched.scheduler.scheduler import Scheduler

PAGE = 256
Document = dict[str, Any]


class EventFeed:
    """The last events, and who waits for the next. Main loop only.

    `pump()` must be called after each `Scheduler.run()`: it takes what is new and serves those who wait. A waiting
    client holds a connection and no worker; more than `waiters` of them are refused with 503.
    """

    def __init__(self, scheduler: Scheduler, loop: Loop, *, buffer: int, waiters: int, max_wait: float) -> None:
        self.waiters = waiters
        self.max_wait = max_wait
        self.missed = 0
        self.listeners: list[Callable[[Event], None]] = []
        self._loop = loop
        self._kept: deque[Event] = deque(maxlen=buffer)
        self._subscription = scheduler.subscribe(buffer)
        self._waiting: dict[Reply, tuple[int, Timer]] = {}
        self._streams: dict[Stream, int] = {}

    def add_to(self, router: Router) -> None:
        """Registers the route."""
        router.add("GET", "/events", self.ask)

    def pump(self) -> None:
        """Takes what the scheduler emitted since the last call."""
        events = self._subscription.read()
        self.missed += self._subscription.missed
        if not events:
            return
        self._kept.extend(events)
        for listener in self.listeners:
            for event in events:
                listener(event)
        if self._waiting:
            self._answer_all()
        for stream, after in list(self._streams.items()):
            self._send_stream(stream, after)

    def ask(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """`?after=N&wait=S`: {"events": [...], "next": N, "missed": M}, at once or when there is one, or after S
        seconds.
        """
        streaming = "text/event-stream" in request.headers.get("accept", "")
        try:
            after = _number(request.headers.get("last-event-id", "") if streaming else "") or _number(
                request.query.get("after", "")
            )
            wait = min(_seconds(request.query.get("wait", "")), self.max_wait)
        except ValueError as problem:
            reply.error(400, str(problem), code="bad-query", hint="/events?after=NUMBER&wait=SECONDS")
            return
        if after > self.last:
            after = 0  # a number from before our last start: that client has seen nothing of this life
        if streaming:
            self._stream(reply, after)
        elif after < self.last or wait <= 0:
            reply.send(200, _body(self.page(after)))
        else:
            self._wait(reply, after, wait)

    def page(self, after: int) -> Document:
        """At most 256 events with a number above `after`; `missed` counts those in between that are kept no more."""
        events = [event for event in self._kept if event.seq > after][:PAGE]
        if not events:
            return {"events": [], "next": max(after, self.last), "missed": max(0, self.last - after)}
        last = events[-1].seq
        return {"events": [shown(event) for event in events], "next": last, "missed": last - after - len(events)}

    @property
    def last(self) -> int:
        """The number of the newest event; 0 if there was none."""
        return self._kept[-1].seq if self._kept else 0

    @property
    def watching(self) -> int:
        """Clients that wait or stay."""
        return len(self._waiting) + len(self._streams)

    def close(self) -> None:
        """Answers all who wait and ends all streams: the daemon is going."""
        self._answer_all()
        for stream in list(self._streams):
            self._streams.pop(stream, None)
            stream.close()
        self._subscription.close()

    def _full(self, reply: Reply) -> bool:
        if self.watching < self.waiters:
            return False
        hint = "ask again later, or raise events.waiters"
        reply.error(
            503, "too many clients wait for events", code="too-many-waiters", hint=hint, headers=(("Retry-After", "5"),)
        )
        return True

    def _wait(self, reply: Reply, after: int, wait: float) -> None:
        if self._full(reply):
            return
        timer = self._loop.call_later(wait, lambda: self._answer(reply))
        self._waiting[reply] = (after, timer)
        reply.on_left(lambda: self._forget(reply))

    def _forget(self, reply: Reply) -> None:
        found = self._waiting.pop(reply, None)
        if found is not None:
            found[1].cancel()

    def _answer(self, reply: Reply) -> None:
        found = self._waiting.pop(reply, None)
        if found is not None:
            found[1].cancel()
            reply.send(200, _body(self.page(found[0])))

    def _answer_all(self) -> None:
        for reply in list(self._waiting):
            self._answer(reply)

    def _stream(self, reply: Reply, after: int) -> None:
        if self._full(reply):
            return
        stream = reply.stream("text/event-stream")
        self._streams[stream] = after
        stream.on_left(lambda: self._forget_stream(stream))
        stream.write(b": events of pvsched\n\n")
        self._send_stream(stream, after)

    def _forget_stream(self, stream: Stream) -> None:
        self._streams.pop(stream, None)

    def _send_stream(self, stream: Stream, after: int) -> None:
        """Sends all that is new to one stream, telling what it missed."""
        while stream in self._streams and after < self.last:
            page = self.page(after)
            if page["missed"]:
                stream.write(b'event: missed\ndata: {"missed":%d}\n\n' % page["missed"])
            stream.write(b"".join(map(_sent_event, page["events"])))
            after = page["next"]
            if stream in self._streams:
                self._streams[stream] = after


def shown(event: Event) -> Document:
    """An event as JSON; what came from clients and tasks is masked."""
    return {"seq": event.seq, "time": event.time, "type": event.type, "id": event.id, "data": masked(event.data)}


def _sent_event(document: Document) -> bytes:
    return f"id: {document['seq']}\nevent: {document['type']}\ndata: ".encode() + _body(document) + b"\n\n"


def _body(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), default=str).encode()


def _number(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise ValueError("after is not the number of an event")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e9:
        raise ValueError("wait is not a number of seconds")
    return value
