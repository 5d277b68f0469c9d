"""Stand-ins for what endpoints meet: a reply that remembers, a scheduler with given tasks, a loop whose time stands
still.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any


class FakeStream:
    def __init__(self) -> None:
        self.text = ""
        self.closed = False
        self.left: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.text += data.decode()

    def on_left(self, callback: Callable[[], None]) -> None:
        self.left = callback

    def close(self) -> None:
        self.closed = True


class FakeReply:
    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.content_type = ""
        self.headers: dict[str, str] = {}
        self.streamed: FakeStream | None = None
        self.left: Callable[[], None] = lambda: None

    def send(
        self,
        status: int,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        assert self.status == 0, "answered twice"
        self.status, self.body, self.content_type, self.headers = status, body, content_type, dict(headers)

    def error(
        self,
        status: int,
        text: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.send(status, json.dumps({"Error": text, "code": code, "hint": hint}).encode(), headers=headers)

    def stream(self, content_type: str) -> FakeStream:
        assert self.status == 0
        self.status, self.content_type, self.streamed = 200, content_type, FakeStream()
        return self.streamed

    def on_left(self, callback: Callable[[], None]) -> None:
        self.left = callback

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class FakeTimer:
    def __init__(self, delay: float, callback: Callable[[], None]) -> None:
        self.delay = delay
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    def __init__(self) -> None:
        self.timers: list[FakeTimer] = []
        self.stopped = 0

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(delay, callback))
        return self.timers[-1]

    def stop(self) -> None:
        self.stopped += 1

    def pass_time(self) -> None:
        """All timers that were not cancelled go off."""
        timers, self.timers = self.timers, []
        for timer in timers:
            if not timer.cancelled:
                timer.callback()


class FakeScheduler:
    def __init__(self) -> None:
        self.live: list[dict[str, Any]] = []
        self.history: deque[dict[str, Any]] = deque(maxlen=256)
        self.cancelled: list[int] = []
        self.events: list[Any] = []
        self.missed = 0

    @property
    def pending(self) -> int:
        return len(self.live)

    def tasks(self, limit: int = 1000) -> list[dict[str, Any]]:
        return self.live[:limit]

    def explain(self, id: int) -> dict[str, Any]:
        for task in self.live:
            if task["id"] == id:
                waits = task["state"] == "queued"
                reasons = [{"reason": "no-worker", "text": "every worker is taken"}] if waits else []
                return {**task, "reasons": reasons, "text": "; ".join(one["text"] for one in reasons)}
        raise LookupError(id)

    def cancel(self, id: int, by: str = "caller") -> bool:
        found = any(task["id"] == id for task in self.live)
        if found:
            self.cancelled.append(id)
        return found

    def subscribe(self, buffer: int) -> Any:
        return SimpleNamespace(read=self._read, missed=0, close=lambda: None)

    def _read(self) -> list[Any]:
        events, self.events = self.events, []
        return events


class FakeRouter:
    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, method: str, pattern: str, handler: object, **options: Any) -> None:
        self.routes[method, pattern] = {"handler": handler, **options}


def request(query: dict[str, str] | None = None, **headers: str) -> Any:
    """A request's head as the endpoints see it; `accept="..."` and the like are headers."""
    return SimpleNamespace(query=query or {}, headers={name.replace("_", "-"): text for name, text in headers.items()})


CALLER: Any = SimpleNamespace(pid=1, uid=0, container=None, privileged=True)
