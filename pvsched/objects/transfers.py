"""Transfers under way, in the main loop: each stands in its line, runs as a task, and is answered exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pvsched.errors import PvschedError
from pvsched.objects.answers import BUSY, CLOSED, LEFT, get_answer, put_answer
from pvsched.objects.model import GetResult, PutResult, VerifyResult

if TYPE_CHECKING:
    from pvsched.objects.controller import Objects

Document = Mapping[str, Any]
QUICK_LANE = "default"


def refused(error: PvschedError) -> PutResult:
    """The answer to a request whose task was not admitted."""
    return CLOSED if error.code == "closed" else BUSY


class Put:
    """One PUT: waits for its turn, stores, and where its worker was killed waits until nothing of it is left.

    `done` is called once, with the answer. `data` is what `tasks.store_object` takes.
    """

    __slots__ = ("_data", "_done", "_fd", "_left", "_objects", "_settling", "_task")

    def __init__(self, objects: Objects, data: dict[str, Any], fd: int, done: Callable[[PutResult], None]) -> None:
        self._objects = objects
        self._data = data
        self._fd = fd
        self._done: Callable[[PutResult], None] | None = done
        self._task: int | None = None
        self._left = False
        self._settling = False

    @property
    def task(self) -> int | None:
        """The id of the task that works for it; None while it waits in its line, and when it has ended."""
        return self._task

    def begin(self) -> bool:
        """Its turn: becomes a task. False if it was refused, and answered."""
        fds = {"client": self._fd}
        try:
            self._task = self._objects.submit("object_put", self._data, self._ended, fds=fds)
        except PvschedError as error:
            self._answer(refused(error))
            return False
        return True

    def cancel(self) -> None:
        """The client has left: the task is stopped; `done` is called (with status 0) once nothing is left behind."""
        if self._done is None or self._left or self._settling:
            return
        self._left = True
        if self._task is not None:
            self._objects.scheduler.cancel(self._task, by="client-left")
        else:
            self._finish(LEFT)

    def _ended(self, document: Document) -> None:
        self._task = None
        answer = put_answer(document)
        if document["outcome"] == "succeeded":
            self._objects.learn_put(self._data["sha256"], document["data"] or {})
        elif document.get("started_at") is not None and self._settle(answer):
            return
        self._finish(answer)

    def _settle(self, answer: PutResult) -> bool:
        """Its worker was killed at a point that nobody knows: clean up first, answer then. False if that cannot be."""
        data = {"sha256": self._data["sha256"], "stage": self._data["stage"]}

        def settled(document: Document) -> None:
            if document["outcome"] == "succeeded":
                self._objects.learn_size(data["sha256"], document["data"]["size"])
            self._finish(answer)

        try:
            self._objects.submit("object_settle", data, settled, lane=QUICK_LANE, priority=0)
        except PvschedError:
            return False  # the scan at the next start removes it
        self._settling = True
        return True

    def _finish(self, answer: PutResult) -> None:
        # first the answer, then the next one's turn: who waited longer hears first
        try:
            self._answer(answer)
        finally:
            self._objects.lines.leave(self._data["sha256"], self)

    def _answer(self, answer: PutResult) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer)


class Get:
    """One GET. `done` is called once, when the worker has answered, or with the answer that is still owed."""

    __slots__ = ("_done", "_objects", "_sha", "_task")

    def __init__(self, objects: Objects, sha: str, done: Callable[[GetResult], None]) -> None:
        self._objects = objects
        self._sha = sha
        self._done: Callable[[GetResult], None] | None = done
        self._task: int | None = None

    @property
    def task(self) -> int | None:
        """The id of the task that works for it; None when it has ended."""
        return self._task

    def begin(self, data: dict[str, Any], fd: int) -> None:
        """Becomes a task, or is refused and answered."""
        try:
            self._task = self._objects.submit("object_get", data, self._ended, fds={"client": fd})
        except PvschedError as error:
            self._answer(GetResult(*refused(error)))

    def cancel(self) -> None:
        """The client has left: the task is stopped."""
        if self._task is not None:
            self._objects.scheduler.cancel(self._task, by="client-left")

    def _ended(self, document: Document) -> None:
        self._task = None
        data = document["data"] if document["outcome"] == "succeeded" else None
        if data is not None and data.get("result") == "missing":
            self._objects.learn_size(self._sha, None)
        self._answer(get_answer(document))

    def _answer(self, answer: GetResult) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer)


class Verify:
    """Reads objects one after the other, each when no one writes it; what is rotten leaves the index.

    One task an object: an urgent one never waits for more than the object that is being read.
    """

    __slots__ = ("_checked", "_current", "_done", "_failed", "_names", "_objects", "_rotten", "_task")

    def __init__(self, objects: Objects, names: list[str], done: Callable[[VerifyResult], None]) -> None:
        self._objects = objects
        self._names = names[::-1]
        self._done: Callable[[VerifyResult], None] | None = done
        self._current: str | None = None
        self._task: int | None = None
        self._checked = 0
        self._rotten: list[str] = []
        self._failed: list[tuple[str, str]] = []

    def advance(self) -> None:
        """Goes to the next object, or reports."""
        if self._names:
            self._current = self._names.pop()
            self._objects.lines.join(self._current, self)
        else:
            self._report()

    def begin(self) -> bool:
        """The turn of the current object: becomes a task. False if it was refused; then all ends here."""
        try:
            self._task = self._objects.submit("object_verify", {"sha256": self._current}, self._ended)
        except PvschedError as error:
            self._failed.append((str(self._current), error.code))
            self._report()
            return False
        return True

    def cancel(self) -> None:
        """Stops after the present object; the report tells what was found until then."""
        self._names.clear()
        if self._task is not None:
            self._objects.scheduler.cancel(self._task)

    def _ended(self, document: Document) -> None:
        sha, self._task = str(self._current), None
        data = (document["data"] or {}) if document["outcome"] == "succeeded" else {"result": document["outcome"]}
        self._note(sha, data)
        self._objects.lines.leave(sha, self)
        self.advance()

    def _note(self, sha: str, data: Document) -> None:
        result = data.get("result")
        if result in ("good", "rotten"):
            self._checked += 1
            self._objects.learn_size(sha, data.get("size"))
        if result == "rotten":
            self._rotten.append(sha)
            self._objects.tell("object-rotten", sha256=sha)
        elif result != "good":
            self._failed.append((sha, str(data.get("detail") or result)))

    def _report(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(VerifyResult(self._checked, tuple(self._rotten), tuple(self._failed)))
