"""What the core says happened becomes documents, calls to make, and events."""

from __future__ import annotations

import os
import struct

from pvsched._core import ffi, lib
from pvsched.errors import SchedulerError
from pvsched.scheduler import outcome as words
from pvsched.scheduler.codec import DECODE_ERRORS, decode
from pvsched.scheduler.outcome import EVENT, OUTCOMES, Ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any

    from pvsched.scheduler.events import EventHub
    from pvsched.scheduler.keepers import Keepers
    from pvsched.scheduler.keys import Keys
    from pvsched.scheduler.local import Local
    from pvsched.scheduler.rules import Rules
    from pvsched.scheduler.task import Callback, Document
else:
    from _collections import deque

EVENTS = 256  # per step of the core
# struct pvs_event again, without what a task that simply succeeded does not have
_FAST = struct.Struct("<5Q32x3i12x2i12xi8xI4x")


class Collector:
    """Steps the core and empties it. `due` holds the calls that are to be made, in order."""

    def __init__(
        self,
        core: Any,
        clock: Callable[[], int],
        wall_clock: Callable[[], float],
        live: dict[int, tuple[Rules, Callback | None]],
        keys: Keys,
        local: Local,
        keepers: Keepers,
        hub: EventHub,
        history: int,
    ) -> None:
        self._core = core
        self._clock = clock
        self._wall_time = words.WallTime(wall_clock)
        self._live = live
        self._keys = keys
        self._local = local
        self._keepers = keepers
        self._hub = hub
        self._events = ffi.new(f"struct pvs_event[{EVENTS}]")
        self._records = memoryview(ffi.buffer(self._events))
        self._bodies_size = lib.pvs_bodies_size(core)
        self._bodies = ffi.buffer(lib.pvs_bodies(core), self._bodies_size)
        self.history: deque[Document] = deque(maxlen=history)
        self.due: deque[tuple[Callback | None, Document]] = deque()
        self.progress: dict[int, dict[str, Any]] = {}
        self.outcomes = [0, 0, 0, 0, 0]
        self.run_ns = 0
        self.started_count = 0

    def collect(self) -> None:
        """Take all that has happened by now. Makes no calls. Raises SchedulerError if the core cannot step."""
        self._local.reap_threads()
        count = EVENTS
        while count == EVENTS:
            count = lib.pvs_step(self._core, self._clock(), self._events, EVENTS)
            if count > 0:
                self._take(count)
        if count < 0:
            raise SchedulerError(f"the core cannot step: {os.strerror(-count)}")

    def _take(self, count: int) -> None:
        """Turn the step's records into documents. The usual one, a success in a worker, never leaves this function."""
        now = self._wall_time()
        live, due, bodies = self._live, self.due, self._bodies
        plain = not (self._keys or self._hub.active or self.progress or self.history.maxlen)
        size = EVENT.size
        offset = -size
        for id, queued, started, ended, body, type, kind, outcome, pid, exited, came, length in _FAST.iter_unpack(
            self._records[: count * size]
        ):
            offset += size
            if plain and type == 1 and outcome == 0 and came and 2 <= kind <= 3 and not exited:
                try:
                    data = decode(bodies[body : body + length])
                    rules, callback = live.pop(id)
                except (*DECODE_ERRORS, KeyError):
                    pass
                else:
                    self.outcomes[0] += 1
                    self.run_ns += ended - started
                    due.append(
                        (
                            callback,
                            {
                                "type": rules.name,
                                "id": id,
                                "outcome": "succeeded",
                                "data": data,
                                "queued_at": queued / 1e9,
                                "started_at": started / 1e9,
                                "ended_at": ended / 1e9,
                                "time": now,
                                "worker": pid,
                                "exit": None,
                            },
                        )
                    )
                    continue
            self._take_other(Ending(EVENT.unpack_from(self._records, offset)), now)

    def _take_other(self, event: Ending, now: str) -> None:
        if event.type == words.END:
            self._end(event, now)
        elif event.type == words.START:
            self._start(event)
        elif event.type == words.STARTED:
            self._hub.emit("started", event.id, {"type": self._name(event.id), "worker": event.pid or None})
        elif event.type in (words.PROGRESS, words.LOG):
            self._note(event)
        elif event.type == words.WORKER_GONE:
            exit_status = {"code" if event.exit_kind == 1 else "signal": event.exit_value} if event.exit_kind else None
            self._hub.emit("worker-died", event.id or None, {"worker": event.pid, "exit": exit_status})
        elif event.type == words.KEEPER_GONE:
            self._hub.emit("keeper-died", None, {"keeper": event.value})
            self._keepers.died(event.value)

    # ---- ends -----------------------------------------------------------------------------------------

    def _end(self, event: Ending, now: str) -> None:
        self.progress.pop(event.id, None)
        record = self._live.pop(event.id, None)
        group = self._keys.end(event.id) if self._keys else None
        members = [id for id in group[0].members if id != event.id] if group is not None else []
        if record is None and not members:
            return  # the place that a sharer held; it was told with its holder
        rules = record[0] if record is not None else group[0].rules if group is not None else None
        if rules is not None:
            document = self._document(event, rules, now)
            if record is not None:
                self.tell(record, document, event)
            for id in members:
                self._end_sharer(id, event, document)
        if group is not None and group[1] is not None and lib.pvs_release(self._core, group[1].id) < 0:
            pass  # it was cancelled or has expired while it waited: its own end is on the way

    def _end_sharer(self, id: int, event: Ending, document: Document) -> None:
        record = self._live.pop(id, None)
        if record is None:
            return
        if lib.pvs_finish(self._core, id, event.ended_ns, event.outcome, event.reason) < 0:
            pass  # its place was given up in the same step
        own = {**document, "type": record[0].name, "id": id, "queued_at": self._queued_at(id)}
        self.tell(record, own, event)

    def _queued_at(self, id: int) -> float | None:
        info = ffi.new("struct pvs_task_info *")
        return info.queued_ns / 1e9 if lib.pvs_task_info(self._core, id, info) >= 0 else None

    def tell(self, record: tuple[Rules, Callback | None], document: Document, event: Ending | None = None) -> None:
        """A task has ended: its callback is due, those who watch hear of it."""
        self.outcomes[OUTCOMES.index(document["outcome"])] += 1
        if event is not None and event.started_ns:
            self.run_ns += event.ended_ns - event.started_ns
        if self.history.maxlen:
            self.history.append(document)
        if self._hub.active:
            self._hub.emit("ended", document["id"], _summary(document, record[0]))
        self.due.append((record[1], document))

    def _document(self, event: Ending, rules: Rules, now: str) -> Document:
        body = self._body(event.body, event.body_len) if event.value else None
        out, err, truncated = b"", b"", bool(event.truncated)
        if event.kind <= 1:  # inline or thread: the core has only heard how it went
            answer = self._local.answers.pop(event.id, None)
            self._local.forget(event.id)
            if answer is not None:
                body = answer.body if event.outcome <= words.FAILED else None
                program = answer.program
                if program is not None:
                    event.pid, event.exit_kind, event.exit_value = program.pid, program.exit_kind, program.exit_value
                    event.error = program.errno
                    out, err, truncated = program.stdout, program.stderr, program.truncated
        elif rules.executor == "exec":
            out, err = self._body(event.out, event.out_len), self._body(event.err, event.err_len)
        document = words.base_document(rules, event, now)
        words.fill_in(document, rules, event, body)
        if rules.executor == "exec" and event.started_ns:
            words.add_output(document, out, err, truncated)
        if event.kind <= 1 and event.outcome == words.TIMED_OUT:
            document["interrupted"] = False
        if rules.limited and event.kind == 0 and event.started_ns:
            document["ignored"] = ["limits"]
        return document

    def cancelled(self, id: int, rules: Rules, queued_ns: int, by: str) -> Document:
        """Return the document of a task that ends without the core's word: detached, or left at close()."""
        event = Ending((0,) * len(Ending.__slots__))
        event.id, event.queued_ns, event.ended_ns, event.outcome = id, queued_ns, self._clock(), words.CANCELLED
        document = words.base_document(rules, event, self._wall_time())
        document["queued_at"] = queued_ns / 1e9 if queued_ns else None
        document["by"] = by
        return document

    # ---- the rest -------------------------------------------------------------------------------------

    def _body(self, place: int, length: int) -> bytes:
        if place < self._bodies_size:
            return bytes(self._bodies[place : place + length])
        return bytes(ffi.buffer(ffi.cast("char *", place), length))

    def _name(self, id: int) -> str | None:
        record = self._live.get(id)
        return record[0].name if record else None

    def _start(self, event: Ending) -> None:
        record = self._live.get(event.id)
        rules = record[0] if record is not None else self._keys.rules(event.id)
        if rules is None:
            return
        if event.kind == 0 and self._hub.active:  # the core announces threads as it does workers
            self._hub.emit("started", event.id, {"type": rules.name, "worker": None})
        self._local.start(event.id, rules, event.kind == 1, event.started_ns)

    def _note(self, event: Ending) -> None:
        try:
            value = decode(self._body(event.body, event.body_len))
        except DECODE_ERRORS:
            return
        self.say(event.id, "progress" if event.type == words.PROGRESS else "log", value)

    def say(self, id: int, kind: str, value: object) -> None:
        """A task tells how far it is, or a line for the log. What is no dict of ours is dropped."""
        if not isinstance(value, dict) or id not in self._live:
            return
        if kind == "progress":
            self.progress[id] = value
        self._hub.emit(kind, id, value)


def _summary(document: Document, rules: Rules) -> dict[str, Any]:
    """Return what an event says of an end: no payload and no result, which may be large or secret."""
    summary = {name: document[name] for name in ("type", "outcome", "queued_at", "started_at", "ended_at", "worker")}
    summary["lane"] = rules.lane
    if "error" in document:
        summary["reason"] = document["error"]["reason"]
    if "by" in document:
        summary["by"] = document["by"]
    return summary
