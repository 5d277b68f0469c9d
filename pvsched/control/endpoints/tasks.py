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
    from pvsched.scheduler.scheduler import Scheduler

LIVE_SHOWN = 1000
WAITING_SHOWN = 256
HISTORY = 256
KEPT_ITEMS = 32
KEPT_TEXT = 256
Document = dict[str, Any]


class TaskHistory:
    """The last tasks that ended, small. `take()` must be called after each `Scheduler.run()`.

    The scheduler's own history holds whole results; one listing of a large store would stay in memory for long.
    """

    def __init__(self, scheduler: Scheduler, size: int = HISTORY) -> None:
        self._scheduler = scheduler
        self.ended: deque[Document] = deque(maxlen=size)

    def take(self) -> None:
        """Moves what has ended since the last call."""
        fresh = self._scheduler.history
        while fresh:
            document = fresh.popleft()
            # The callbacks have had the whole; this dict is ours alone now.
            document["data"] = kept(document["data"])
            self.ended.append(document)

    def find(self, number: int) -> Document | None:
        """The document of one that ended, if it is still kept."""
        for task in self.ended:
            if task["id"] == number:
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

        Of the live ones at most 1000 are looked at, and at most 256 waiting ones are shown; `pending` is the true
        number.
        """
        running: list[Document] = []
        waiting: list[Document] = []
        for task in self._scheduler.tasks(limit=LIVE_SHOWN):
            (waiting if task["state"] == "queued" else running).append(task)
        document = {
            "running": [shown(task) for task in running],
            "waiting": [self._explained(task["id"]) or task for task in waiting[:WAITING_SHOWN]],
            "ended": [shown(task) for task in self._history.ended],
            "pending": self._scheduler.pending,
        }
        reply.send(200, _body(document))

    def one(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """One task, live or ended lately; 404 if there is none of that number."""
        number = task_number(params[0])
        document = self._explained(number) or self._history.find(number)
        if document is None:
            _unknown(reply, params[0])
        else:
            reply.send(200, _body(shown(document)))

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
    return {name: masked(value) if isinstance(value, (dict, list, str)) else value for name, value in task.items()}


def _unknown(reply: Reply, text: str) -> None:
    hint = "GET /tasks lists those that live and those that ended lately"
    reply.error(404, f"no such task: {masked(text)}", code="unknown-task", hint=hint)


def _body(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), default=str).encode()
