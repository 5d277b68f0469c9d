"""`/tasks`: what runs, what waits and why, and what ended lately."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from pvsched.masking import masked

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router
    from pvsched.scheduler.events import Event
    from pvsched.scheduler.scheduler import Scheduler

LIVE_SHOWN = 100  # each costs 40 us of the main loop's time
# What tasks and clients have put into a document; the rest is the scheduler's own.
FOREIGN = frozenset(("data", "error", "output", "progress", "key", "reason", "reasons"))
HISTORY = 256
KEPT_ITEMS = 32
KEPT_TEXT = 256
Document = dict[str, Any]


class Ended:
    """One task that has ended, and what is shown of it once somebody has asked."""

    __slots__ = ("_body", "document")

    def __init__(self, document: Document) -> None:
        self.document = document
        self._body: bytes | None = None

    @property
    def body(self) -> bytes:
        """Its JSON for a list, masked, without the traceback of an error and what a program wrote; made once."""
        if self._body is None:
            brief = {name: value for name, value in self.document.items() if name != "output"}
            error = brief.get("error")
            if isinstance(error, dict):
                brief["error"] = {name: value for name, value in error.items() if name != "detail"}
            self._body = _body(shown(brief))
        return self._body


class TaskHistory:
    """The last tasks that ended, small, and which tasks run. `take()` must be called after each `Scheduler.run()`.

    The scheduler's own history holds whole results; one listing of a large store would stay in memory for long.
    """

    def __init__(self, scheduler: Scheduler, size: int = HISTORY) -> None:
        self._scheduler = scheduler
        self.ended: deque[Ended] = deque(maxlen=size)
        self.running: set[int] = set()

    def take(self) -> None:
        """Moves what has ended since the last call."""
        fresh = self._scheduler.history
        while fresh:
            document = fresh.popleft()
            # The callbacks have had the whole; this dict is ours alone now.
            document["data"] = kept(document["data"])
            self.running.discard(document["id"])
            self.ended.append(Ended(document))

    def listen(self, event: Event) -> None:
        """Notes what runs: behind a long queue it would not be found by looking at the first tasks alone."""
        if event.id is not None:
            if event.type == "started":
                self.running.add(event.id)
            elif event.type == "ended":
                self.running.discard(event.id)

    def find(self, number: int) -> Ended | None:
        """One that ended, if it is still kept."""
        for task in self.ended:
            if task.document["id"] == number:
                return task
        return None


def kept(data: object) -> object:
    """A result as the history keeps it: as it is if it is small, else cut."""
    if not isinstance(data, (dict, list, str)):
        return data
    values = data.values() if isinstance(data, dict) else data
    if len(data) <= KEPT_ITEMS and not any(
        isinstance(value, (dict, list)) or (isinstance(value, str) and len(value) > KEPT_TEXT) for value in values
    ):
        return data
    return masked(data)


class TaskEndpoints:
    """The handlers. Main loop only. Task data and results are shown masked, never raw."""

    def __init__(self, scheduler: Scheduler, history: TaskHistory) -> None:
        self._scheduler = scheduler
        self._history = history

    def add_to(self, router: Router) -> None:
        """Registers the routes."""
        router.add("GET", "/tasks", self.listing)
        router.add("GET", "/tasks/{}", self.one)
        router.add("DELETE", "/tasks/{}", self.cancel)

    def listing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """{"running": [...], "waiting": [...], "ended": [...], "pending": n}.

        All that run are shown, and of those that wait the ones that were submitted first; `pending` counts all.
        """
        waiting: list[bytes] = []
        running: dict[int, bytes] = {}
        for task in self._scheduler.tasks(limit=LIVE_SHOWN):
            if task["state"] == "queued":
                waiting.append(_body(self._explained(task["id"])))
            else:
                running[task["id"]] = _body(shown(task))
        for number in sorted(self._history.running - running.keys()):
            found = self._explained(number)
            if found is not None:
                running[number] = _body(found)
        body = b'{"running":[%b],"waiting":[%b],"ended":[%b],"pending":%d}' % (
            b",".join(running.values()),
            b",".join(waiting),
            b",".join(task.body for task in self._history.ended),
            self._scheduler.pending,
        )
        reply.send(200, body)

    def one(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """One task, live or ended lately; 404 if there is none of that number."""
        number = task_number(params[0])
        document = self._explained(number)
        ended = self._history.find(number)
        if document is not None:
            reply.send(200, _body(document))
        elif ended is not None:
            reply.send(200, _body(shown(ended.document)))
        else:
            _unknown(reply, params[0])

    def cancel(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """202 when the task is being ended; 404 if there is none; 409 if it has ended already."""
        number = task_number(params[0])
        if number and self._scheduler.cancel(number):
            reply.send(202, _body({"id": number, "cancelled": True}))
        elif self._history.find(number) is not None:
            reply.error(409, f"task {number} has ended", code="task-ended", hint=f"GET /tasks/{number} shows how")
        else:
            _unknown(reply, params[0])

    def _explained(self, number: int) -> Document | None:
        """A live task, and why it waits; None if there is none of that number."""
        try:
            task = self._scheduler.explain(number)
        except LookupError:
            return None
        reasons = [reason["text"] for reason in task.pop("reasons", [])]
        text = task.pop("text", None)
        if reasons:
            task["reason"], task["reasons"] = text, reasons
        return shown(task)


def task_number(text: str) -> int:
    """The id in a path, or 0, which is nobody's."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else 0


def shown(task: Document) -> Document:
    """A task's document that anyone who may call us may read: what the client sent and what came back is masked."""
    return {name: masked(value) if name in FOREIGN and value is not None else value for name, value in task.items()}


def _unknown(reply: Reply, text: str) -> None:
    hint = "GET /tasks (pvsched tasks ls) lists those that live and those that ended lately"
    reply.error(404, f"no such task: {masked(text)}", code="unknown-task", hint=hint)


def _body(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), default=str).encode()
