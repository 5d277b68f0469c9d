"""`/tasks`: what runs, what waits and why, and what ended lately."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pvsched.masking import masked

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router
    from pvsched.scheduler.scheduler import Scheduler

WAITING_SHOWN = 256
Document = dict[str, Any]


class TaskEndpoints:
    """The handlers. Main loop only. Task data and results are shown masked, never raw."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def add_to(self, router: Router) -> None:
        """Registers the routes."""
        router.add("GET", "/tasks", self.listing)
        router.add("GET", "/tasks/{id}", self.one)
        router.add("DELETE", "/tasks/{id}", self.cancel)

    def listing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """{"running": [...], "waiting": [...], "ended": [...], "waiting_total": n}; at most 256 waiting ones are
        shown.
        """
        running, waiting = [], []
        for task in self._scheduler.tasks():
            if task.get("started_at") is not None:
                running.append(task)
            else:
                waiting.append(task)
        document = {
            "running": [shown(task) for task in running],
            "waiting": [self._waiting(task) for task in waiting[:WAITING_SHOWN]],
            "ended": [shown(task) for task in self._scheduler.history],
            "waiting_total": len(waiting),
        }
        reply.send(200, _body(document))

    def one(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """One task, live or ended lately; 404 if there is none of that number."""
        number = task_number(params[0])
        task = self._live(number)
        if task is not None:
            reply.send(200, _body(shown(task) if task.get("started_at") is not None else self._waiting(task)))
            return
        ended = self._ended(number)
        if ended is not None:
            reply.send(200, _body(shown(ended)))
            return
        _unknown(reply, params[0])

    def cancel(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """202 when the task is being ended; 404 if there is none; 409 if it has ended already."""
        number = task_number(params[0])
        if number and self._scheduler.cancel(number):
            reply.send(202, _body({"id": number, "cancelled": True}))
        elif self._ended(number) is not None:
            reply.error(409, f"task {number} has ended", code="task-ended", hint=f"GET /tasks/{number} shows how")
        else:
            _unknown(reply, params[0])

    def _live(self, number: int) -> Document | None:
        for task in self._scheduler.tasks():
            if task["id"] == number:
                return task
        return None

    def _ended(self, number: int) -> Document | None:
        for task in self._scheduler.history:
            if task["id"] == number:
                return task
        return None

    def _waiting(self, task: Document) -> Document:
        """A waiting task with the reason why it waits."""
        return shown({**self._scheduler.explain(task["id"]), **task})


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
