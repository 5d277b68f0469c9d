"""What happened, for those who watch: numbered events in bounded buffers."""

from __future__ import annotations

from pvsched.scheduler.settings import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any
else:
    from _collections import deque

TYPES = frozenset(
    {
        "submitted",
        "refused",
        "started",
        "progress",
        "log",
        "ended",
        "policy-changed",
        "workers-changed",
        "callback-failed",
        "worker-died",
        "keeper-died",
    }
)


class Event:
    """`seq` grows by one from event to event; `time` is the wall clock in seconds; `id` is the task's, or None."""

    __slots__ = ("data", "id", "seq", "time", "type")

    def __init__(self, seq: int, time: float, type: str, id: int | None, data: dict[str, Any]) -> None:
        self.seq = seq
        self.time = time
        self.type = type
        self.id = id
        self.data = data

    def __repr__(self) -> str:
        return f"Event(seq={self.seq}, time={self.time}, type={self.type!r}, id={self.id}, data={self.data!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON says it."""
        return {"seq": self.seq, "time": self.time, "type": self.type, "id": self.id, "data": self.data}


class Subscription:
    """A bounded buffer of events. One that is read too slowly loses the oldest, and is told how many (`missed`)."""

    def __init__(self, hub: EventHub, buffer: int) -> None:
        self._hub = hub
        self._buffer: deque[Event] = deque(maxlen=buffer)
        self._missed = 0
        self.missed = 0
        self.closed = False

    def put(self, event: Event) -> None:
        """Append one event; for the hub."""
        if len(self._buffer) == self._buffer.maxlen:
            self._missed += 1
        self._buffer.append(event)

    def read(self, limit: int | None = None) -> list[Event]:
        """Take at most `limit` events, oldest first. `missed` then counts those lost since the last read."""
        self.missed, self._missed = self._missed, 0
        count = len(self._buffer) if limit is None else min(limit, len(self._buffer))
        return [self._buffer.popleft() for _ in range(count)]

    def __len__(self) -> int:
        return len(self._buffer)

    def close(self) -> None:
        """Watch no more; what was not read is dropped. May be called again."""
        if not self.closed:
            self.closed = True
            self._buffer.clear()
            self._hub.remove(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class EventHub:
    """Numbers events and hands them to the subscribers. Without any, nothing is made and nothing is numbered."""

    def __init__(self, wall_clock: Callable[[], float], changed: Callable[[bool], None]) -> None:
        self._wall_clock = wall_clock
        self._changed = changed
        self._subscriptions: list[Subscription] = []
        self._seq = 0
        self.active = False
        self.missed = 0

    def subscribe(self, buffer: int) -> Subscription:
        """Return a new subscription that keeps at most `buffer` events."""
        subscription = Subscription(self, whole_number("a subscription's buffer", buffer, 1))
        self._subscriptions.append(subscription)
        self._set_active()
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget one subscription; for its own close()."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._set_active()

    def emit(self, type: str, id: int | None = None, data: dict[str, Any] | None = None) -> None:
        """Number an event and append it to every buffer."""
        if not self._subscriptions:
            return
        self._seq += 1
        event = Event(self._seq, self._wall_clock(), type, id, data or {})
        for subscription in self._subscriptions:
            if len(subscription) == subscription._buffer.maxlen:
                self.missed += 1
            subscription.put(event)

    def _set_active(self) -> None:
        active = bool(self._subscriptions)
        if active != self.active:
            self.active = active
            self._changed(active)
