"""The main loop's side of objects: admits, submits tasks, and is the only writer of the index.

Nothing here reads, writes or hashes an object. The store's directory is opened once and lent to every task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pvsched.errors import PvschedError
from pvsched.objects.answers import LINE_FULL, PUT_ANSWERS
from pvsched.objects.index import Index
from pvsched.objects.lines import Lines
from pvsched.objects.model import GetResult, ObjectInfo, ObjectSettings, PutResult, VerifyResult, stage_name, valid_name
from pvsched.objects.transfers import QUICK_LANE, Get, Put, Verify
from pvsched.scheduler.task import Task

if TYPE_CHECKING:
    from pvsched.scheduler.registry import Registry

Document = dict[str, Any]
LANE = "objects"
TASKS = ("store", "send", "verify", "settle", "scan")
NAMES = {"store": "object_put", "send": "object_get"}
SCAN_LIMIT = 64 * 1024 * 1024  # bytes of JSON, for about 700,000 objects
VERIFY_PRIORITY = 9
# How long a stopped task has to put things away before SIGKILL; what it then leaves is settled by another task.
GRACE = 5.0


class Submitter(Protocol):
    """The scheduler, as far as objects use it."""

    def add_task(self, task: Task, callback: Callable[[Document], object] | None = None) -> int: ...
    def cancel(self, id: int, by: str = "caller") -> bool: ...
    def set_lane(self, name: str, limit: int | None = None, weight: Any = "medium") -> None: ...
    def stats(self) -> dict[str, Any]: ...


class BodyLike(Protocol):
    """A body as a request's head announces it: `kind` is `none`, `length` or `chunked`."""

    @property
    def kind(self) -> str: ...
    @property
    def length(self) -> int | None: ...


def register(registry: Registry) -> None:
    """Makes the tasks of this subsystem known by name; the workers import them, this process never does."""
    for verb in TASKS:
        suffix = "objects" if verb == "scan" else "object"
        name = NAMES.get(verb, f"object_{verb}")
        registry.register(name, f"pvsched.objects.tasks:{verb}_{suffix}")


class Objects:
    """The objects of the device, kept in `directory`, which is made if it is not there. Main loop only.

    `tell(event, **fields)` hears of what a person may want to know: `object-rotten`, `objects-scanned`,
    `objects-failed`, `objects-verified`.
    Raises OSError if the directory cannot be made or opened.
    """

    def __init__(
        self,
        scheduler: Submitter,
        directory: str,
        settings: ObjectSettings,
        *,
        tell: Callable[..., None] = lambda event, **fields: None,
    ) -> None:
        self.scheduler = scheduler
        self.index = Index()
        self.lines = Lines()
        self.ready = False
        self.tell = tell
        os.makedirs(directory, 0o755, exist_ok=True)
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._boot = int.from_bytes(os.urandom(4), "big")
        self._writers = 0
        self._waiting: list[Callable[[], None]] = []
        self._scanning = False
        self.apply(settings)

    def apply(self, settings: ObjectSettings) -> None:
        """Takes settings, at opening and after a reload (of the workers too). Transfers that run keep the old ones."""
        self.settings = settings
        self.scheduler.set_lane(LANE, limit=self.lane_limit)

    @property
    def lane_limit(self) -> int:
        """Transfers that run at once."""
        return self.settings.lane_limit or max(1, self.scheduler.stats()["workers"] - 1)

    def close(self) -> None:
        """Gives the directory back. The scheduler is closed first."""
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def start(self, ready: Callable[[], None] = lambda: None) -> None:
        """Scans the store; `ready` is called at the end of the scan: `self.ready` says whether the index is there.

        May be called again after a scan that failed.
        """
        self._waiting.append(ready)
        if self._scanning:
            return
        data = {"boot": f"{self._boot:08x}"}
        self._scanning = True
        try:
            self.submit("object_scan", data, self._scanned, lane=QUICK_LANE, priority=0, result_limit=SCAN_LIMIT)
        except PvschedError as error:
            self._scanned({"outcome": error.code})

    def listing(self) -> list[ObjectInfo]:
        """The objects by name, from the index."""
        return list(self.index)

    def put(self, sha: str, fd: int, body: BodyLike, expect_continue: bool, done: Callable[[PutResult], None]) -> Put:
        """Stores what comes on the socket `fd`, which starts at the body; `done` hears how to answer.

        `done` may be called before this returns. The descriptor must stay open until then.
        """
        self._writers += 1
        stage = stage_name(sha, self._boot << 32 | self._writers & 0xFFFFFFFF)
        transfer = Put(self, self._put_data(sha, stage, body, expect_continue), fd, done)
        if not valid_name(sha):
            done(PUT_ANSWERS["bad-name"])
        elif self.lines.waiting(sha) >= self.settings.line:
            done(LINE_FULL)
        else:
            self.lines.join(sha, transfer)
        return transfer

    def get(
        self,
        sha: str,
        fd: int,
        range_header: str | None,
        version: tuple[int, int],
        keep_alive: bool,
        done: Callable[[GetResult], None],
    ) -> Get:
        """Sends an object to the socket `fd`; `done` hears when it has ended, maybe before this returns.

        A status other than 0 in its result means that nothing was sent: no such object, or no room in the queue.
        """
        transfer = Get(self, sha, done)
        pace = {"stall_timeout": self.settings.stall_timeout, "min_rate": self.settings.min_rate}
        data = {"sha256": sha, "range": range_header, "version": version, "keep_alive": keep_alive, **pace}
        transfer.begin(data, fd)
        return transfer

    def missing(self, sha: str) -> bool:
        """True if there surely is no such object; before the first scan only a worker knows."""
        return not valid_name(sha) or (self.ready and sha not in self.index)

    def verify(self, sha: str | None, done: Callable[[VerifyResult], None]) -> Verify:
        """Reads one object, or all, and compares hash and name; what is rotten goes into quarantine."""
        check = Verify(self, [sha] if sha is not None else [info.sha256 for info in self.index], done)
        check.advance()
        return check

    def submit(
        self,
        name: str,
        data: Mapping[str, Any],
        callback: Callable[[Document], None],
        *,
        fds: Mapping[str, int] | None = None,
        lane: str = LANE,
        priority: int = 5,
        result_limit: int = 64 * 1024,
    ) -> int:
        """Adds a task with the store lent to it. For this subsystem's own use. Raises SchedulerError."""
        transfer = fds is not None
        task = Task(
            name,
            data,
            lane=lane,
            priority=VERIFY_PRIORITY if name == "object_verify" else priority,
            timeout=self.settings.transfer_timeout,
            queue_timeout=self.settings.queue_timeout if transfer else None,
            on_timeout="graceful",
            grace=GRACE,
            fds={"store": self._directory, **(fds or {})},
            result_limit=result_limit,
        )
        return self.scheduler.add_task(task, callback)

    def learn_put(self, sha: str, data: Mapping[str, Any]) -> None:
        """What a worker reported of an upload. For this subsystem's own use."""
        if data.get("quarantined"):
            self.tell("object-rotten", sha256=sha)
            self.index.discard(sha)
        if data.get("result") in ("stored", "present"):
            self.index.put(sha, data["size"])

    def learn_size(self, sha: str, size: int | None) -> None:
        """What a worker found under a name; None: nothing. For this subsystem's own use."""
        if size is None:
            self.index.discard(sha)
        else:
            self.index.put(sha, size)

    def _put_data(self, sha: str, stage: str, body: BodyLike, expect_continue: bool) -> dict[str, Any]:
        settings = self.settings
        return {
            "sha256": sha,
            "stage": stage,
            "kind": body.kind,
            "length": body.length if body.kind == "length" else 0 if body.kind == "none" else None,
            "expect_continue": expect_continue,
            "max_size": settings.max_size,
            "reserved_percent": settings.reserved_percent,
            "drain_limit": settings.drain_limit,
            "stall_timeout": settings.stall_timeout,
            "min_rate": settings.min_rate,
        }

    def _scanned(self, document: Document) -> None:
        self._scanning = False
        if document["outcome"] == "succeeded":
            data = document["data"]
            self.index.load(data["objects"])
            self.ready = True
            self.tell("objects-scanned", objects=len(self.index), removed=data["removed"], rotten=len(data["rotten"]))
        else:
            self.tell("objects-failed", outcome=document["outcome"], error=document.get("error"))
        waiting, self._waiting = self._waiting, []
        for ready in waiting:
            ready()
        if self.ready and self.settings.verify_at_start:
            self.verify(None, lambda result: self.tell("objects-verified", **result._asdict()))
