"""The scheduler: takes tasks, has them run elsewhere, and calls back with one document each."""

from __future__ import annotations

import os
import sys
import time
from _weakrefset import WeakSet

from pvsched._core import ffi, lib
from pvsched.errors import BadSetting, BadTask, Closed, SchedulerError
from pvsched.scheduler.admission import Admission
from pvsched.scheduler.closing import end_all
from pvsched.scheduler.codec import ENCODE_ERRORS, encode
from pvsched.scheduler.collector import Collector
from pvsched.scheduler.events import EventHub, Subscription
from pvsched.scheduler.inspection import Inspection
from pvsched.scheduler.keepers import Keepers
from pvsched.scheduler.keys import Keys
from pvsched.scheduler.lanes import Lanes, weight_in_thousandths
from pvsched.scheduler.local import Local
from pvsched.scheduler.outcome import CAUSE_NUMBERS
from pvsched.scheduler.registry import Registry, default_registry
from pvsched.scheduler.rules import KINDS, Rules
from pvsched.scheduler.settings import open_core, policy_number, use_cgroup, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any, Literal, TypedDict

    from typing_extensions import Self

    from pvsched.scheduler.keeper import Keeper
    from pvsched.scheduler.task import Callback, DefaultExecutor, Document, Task

    Policy = Literal["fifo", "strict", "edf", "fair"]

    class SchedulerOptions(TypedDict, total=False):
        """What may be given to a Scheduler besides the number of its workers."""

        executor: DefaultExecutor
        policy: Policy
        capacity: int
        max_workers: int | None
        lanes: int
        zot_exact: bool
        inline_budget: int
        spares: int
        batch: int
        payload_bytes: int | None
        registry: Registry | None
        clock: Callable[[], int] | None
        wall_clock: Callable[[], float] | None
        keeper: Keeper | None
        history: int
        cgroup: str | None


class Scheduler:
    """A queue, its workers, and one descriptor that is readable whenever `run()` can make progress.

    It belongs to the thread that uses it. `workers` run at once (0: every task runs inline); `executor` is for tasks
    that name none. All sizes are settled here, and what does not fit later is refused.

    - `workers`: 0 to 1024; `max_workers` (at least 16): as far as `set_workers` goes
    - `policy`: fifo, strict, edf, fair; `zot_exact`: `fair` in zot's own order
    - `capacity`: tasks waiting and running; `lanes`: how many there may be
    - `payload_bytes`: for all waiting payloads together; 1 KiB a task, at least 8 MiB
    - `inline_budget`: inline tasks a `run()`
    - `spares`: fork workers made ahead, 0 to 64
    - `batch`: most tasks in one message to a pool worker, 1 to 32
    - `registry`: where names are looked up; `keeper`: from `fork_keeper()`
    - `history`: how many ended documents are kept
    - `cgroup`: a folder of cgroup v2 delegated to us, for the tasks' own cgroups
    - `clock` (nanoseconds as int), `wall_clock` (seconds as float): for tests

    BadSetting for a value that cannot be; SchedulerError where the machine gives no process or descriptor.
    """

    def __init__(
        self,
        workers: int = 2,
        executor: DefaultExecutor = "pool",
        policy: Policy = "strict",
        *,
        capacity: int = 4096,
        max_workers: int | None = None,
        lanes: int = 64,
        zot_exact: bool = False,
        inline_budget: int = 1,
        spares: int = 1,
        batch: int = 32,
        payload_bytes: int | None = None,
        registry: Registry | None = None,
        clock: Callable[[], int] | None = None,
        wall_clock: Callable[[], float] | None = None,
        keeper: Keeper | None = None,
        history: int = 0,
        cgroup: str | None = None,
    ) -> None:
        self._core: Any = None
        self._closed = "the scheduler was not opened"
        if executor not in KINDS or str(executor) == "exec":
            raise BadSetting(
                f"executor must be inline, thread, fork or pool, not {executor!r}",
                hint="exec is for tasks that have argv=",
            )
        whole_number("history", history, 0, 1 << 32)
        self._clock = clock or time.monotonic_ns
        self._core = core = open_core(
            workers=workers,
            max_workers=max_workers,
            policy=policy,
            capacity=capacity,
            lanes=lanes,
            zot_exact=zot_exact,
            inline_budget=inline_budget,
            spares=spares,
            batch=batch,
            payload_bytes=payload_bytes,
        )
        try:
            if cgroup is not None:
                use_cgroup(core, cgroup)
            self._wire(core, executor, workers, lanes, registry or default_registry, wall_clock, keeper, history)
        except BaseException:
            lib.pvs_close(core, 0)
            self._core = None
            raise
        self._closed = ""
        _all.add(self)

    def _wire(
        self,
        core: Any,
        executor: str,
        workers: int,
        lanes: int,
        registry: Registry,
        wall_clock: Callable[[], float] | None,
        keeper: Keeper | None,
        history: int,
    ) -> None:
        self._live: dict[int, tuple[Rules, Callback | None]] = {}
        self._callbacks: dict[str, Callback] = {}
        self._running = False
        self._leaving: list[Callable[[], None]] = []  # told when the descriptor is about to be closed
        wall = wall_clock or time.time
        self._hub = EventHub(wall, self._want_started)
        self._keys = Keys()
        self._lanes = Lanes(lanes)
        self._keepers = Keepers(core, registry, keeper)
        self._local = Local(core, registry, self._clock, self._say)
        self._collector = Collector(
            core, self._clock, wall, self._live, self._keys, self._local, self._keepers, self._hub, history
        )
        self._admission = Admission(core, self._clock, registry, self._lanes, self._keepers, self._keys)
        self._admission.executor = executor
        self._admission.workers = workers
        self._inspection = Inspection(core, self._live, self._keys, self._lanes, self._local, self._collector)

    # ---- tasks ----------------------------------------------------------------------------------------

    def add_task(self, task: Task, callback: Callback | None = None) -> int:
        """Take a task; return its id. `callback(document)` is called once, by `run()`, when it has ended.

        Without a callback, the one registered for its type with `on()` is called. May be called from callbacks.
        Raises QueueFull, BadTask, DuplicateKey, UnknownName, Closed; such a task was not taken and has no outcome.
        """
        if self._closed:
            raise Closed(self._closed)
        _check_callback(callback)
        admission = self._admission
        try:
            if admission.stale:
                admission.forget_rules()
            rules = admission.recall(task)
        except (AttributeError, TypeError):
            rules = None
        try:
            if rules is None:
                rules = admission.find_rules(task)
            if rules.special or task.special:
                id: int = admission.submit_special(task, rules)
            else:
                try:
                    payload = rules.prefix + encode(task.data)
                except ENCODE_ERRORS:
                    admission.encode_data(task)  # raises BadTask
                    raise
                id = lib.pvs_submit(self._core, rules.spec, self._clock(), payload, len(payload), ffi.NULL, 0)
                if id < 0:
                    raise admission.refusal(-id, rules.name)
        except SchedulerError as error:
            if self._hub.active:
                name = getattr(task, "name", None)
                self._hub.emit("refused", None, {"type": name if isinstance(name, str) else None, "code": error.code})
            raise
        self._live[id] = (rules, callback)
        if self._hub.active:
            self._hub.emit("submitted", id, {"type": rules.name, "lane": rules.lane, "priority": rules.spec.priority})
        return id

    def cancel(self, id: int, by: str = "caller") -> bool:
        """Cancel a task; it ends `cancelled` unless its result was there first. Returns whether it was alive.

        A running one gets SIGTERM, its grace, SIGKILL; a second cancel goes straight to SIGKILL. `by` is caller,
        client-left, replaced or shutdown. One that shares its work is only detached, as long as another shares it.
        """
        if self._closed:
            raise Closed(self._closed)
        cause = CAUSE_NUMBERS.get(by)
        if cause is None:
            raise SchedulerError(f"by must be one of {', '.join(CAUSE_NUMBERS)}, not {by!r}", code="bad-cause")
        if id not in self._live:
            return False
        group = self._keys.of(id)
        if group is not None and len(group.members) > 1:
            return self._detach(id, group.id, cause, by)
        if group is not None:
            group.cancelled = True
        work = id if group is None else group.id
        self._local.cancel(work)
        return self._admission.cancel_core(work, cause)

    def _detach(self, id: int, work: int, cause: int, by: str) -> bool:
        """One of several that share a task's work goes; the work goes on."""
        self._keys.leave(id, self._live[id][0])
        if id != work:
            return self._admission.cancel_core(id, cause)
        record = self._live.pop(id)
        info = self._inspection.look(id)
        document = self._collector.cancelled(id, record[0], info.queued_ns if info else 0, by)
        self._collector.tell(record, document)
        lib.pvs_wake(self._core)
        return True

    @property
    def pending(self) -> int:
        """How many accepted tasks have not been called back yet."""
        return len(self._live) + len(self._collector.due)

    def on(self, name: str, callback: Callback | None) -> None:
        """Set the callback for tasks of that type that have none of their own; None removes it."""
        _check_callback(callback)
        if callback is None:
            self._callbacks.pop(name, None)
        else:
            self._callbacks[name] = callback

    # ---- the loop -------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Return the descriptor to watch for reading; it is the scheduler's own, and changes never."""
        if self._closed:
            raise Closed(self._closed)
        return int(lib.pvs_fileno(self._core))

    def run(self, wait: float = 0.0) -> int:
        """Collect what has happened, then call back; return how many tasks have ended. Does not block.

        With `wait` seconds above 0, sleeps on `fileno()` at most that long if nothing has ended. A callback may add,
        cancel or close, but not run(). With workers=0, inline tasks run at its end.
        """
        if self._closed:
            raise Closed(self._closed)
        if self._running:
            raise SchedulerError(
                "run() was called from a callback or an inline task", code="reentrant", hint="return to your main loop"
            )
        self._running = True
        try:
            collector = self._collector
            if not self._keepers.all_alive and not self._keepers.retry():
                wait = min(wait, 1.0)
            if wait > 0 and not collector.due:
                self._collect_or_wait(wait)
            else:
                collector.collect()
            count = self._deliver() if collector.due else 0
            self._local.run_inline()
            return count
        finally:
            self._running = False
            if not self._closed and self._collector.due:
                lib.pvs_wake(self._core)  # a KeyboardInterrupt came between: the rest is delivered next time

    def _collect_or_wait(self, seconds: float) -> None:
        """Sleep until something has ended, or the time is over. What wakes first is often a submission or a report."""
        until = time.monotonic() + seconds
        collector, local = self._collector, self._local
        self._sleep(seconds)
        collector.collect()
        if not collector.due and not local.inline and (left := until - time.monotonic()) > 0:
            self._sleep(left)
            collector.collect()

    def _sleep(self, seconds: float) -> None:
        milliseconds = 2_000_000_000 if seconds > 2_000_000 else max(1, round(seconds * 1000))
        lib.pvs_wait(self._core, milliseconds)

    def _deliver(self) -> int:
        """Make the calls that are due. One that raises is told to those who watch, and disturbs no other."""
        due, count = self._collector.due, 0
        while due:
            callback, document = due.popleft()
            count += 1
            if callback is None:
                callback = self._callbacks.get(document["type"])
                if callback is None:
                    continue
            try:
                callback(document)
            except Exception as error:
                self._callback_failed(document, error)
        return count

    def _callback_failed(self, document: Document, error: Exception) -> None:
        if self._hub.active:
            text = f"{type(error).__name__}: {error}"
            self._hub.emit("callback-failed", document["id"], {"type": document["type"], "error": text})
            return
        import traceback

        print(f"pvsched: the callback of task {document['id']} ({document['type']}) raised:", file=sys.stderr)
        traceback.print_exception(error)

    # ---- what may change ------------------------------------------------------------------------------

    def set_policy(self, policy: Policy) -> None:
        """Choose `fifo`, `strict`, `edf` or `fair` for the tasks that wait and all later ones."""
        self._check_open()
        self._set(lib.pvs_set_policy(self._core, policy_number(policy)), "the policy")
        self._hub.emit("policy-changed", None, {"policy": policy})

    def set_workers(self, workers: int) -> None:
        """Change how many tasks run at once, 0 to `max_workers`. Fewer kills nothing; more start in the next run()."""
        self._check_open()
        whole_number("workers", workers, 0, code="bad-workers")
        before = self._admission.workers
        if lib.pvs_set_workers(self._core, workers) < 0:
            text = f"workers must be at most max_workers, which {workers} is not"
            raise BadSetting(text, code="bad-workers", hint="open the scheduler with a larger max_workers=")
        self._admission.workers = workers
        if bool(before) != bool(workers):
            self._admission.forget_rules()
            if workers and self._live:
                self._keepers.keep_promise()
        self._hub.emit("workers-changed", None, {"workers": workers})

    def set_lane(self, name: str, limit: int | None = None, weight: str | float = "medium") -> None:
        """Give a lane a limit of running tasks (None: none) and a weight: `high`, `medium`, `low` or a number."""
        self._check_open()
        if limit is not None:
            whole_number("a lane's limit", limit, 1, (1 << 32) - 1, code="bad-lane")
        number = self._lanes.number(name)
        self._set(lib.pvs_set_lane(self._core, number, limit or 0, weight_in_thousandths(weight)), "the lane")

    def _set(self, status: int, what: str) -> None:
        if status < 0:
            raise BadSetting(f"the core refuses {what}: {os.strerror(-status)}")

    # ---- watching -------------------------------------------------------------------------------------

    def subscribe(self, buffer: int = 1024) -> Subscription:
        """Watch events through a buffer of that many. Read it, or know by `missed` what was lost."""
        self._check_open()
        return self._hub.subscribe(buffer)

    def explain(self, id: int) -> dict[str, Any]:
        """Say what a live task is doing, or why it waits: its lane's limit, who is ahead, its key, no worker.

        Raises LookupError (SchedulerError with code `no-task`) for one that has ended.
        """
        self._check_open()
        return self._inspection.explain(id)

    def tasks(self, limit: int = 1000) -> list[dict[str, Any]]:
        """Return the live tasks, running ones first, then by submission; at most `limit`."""
        self._check_open()
        return self._inspection.tasks(limit)

    def stats(self) -> dict[str, Any]:
        """Return counts and times of the whole, by lane and by outcome. Seconds, unless the name says otherwise."""
        self._check_open()
        return {**self._inspection.stats(), "events_missed": self._hub.missed}

    @property
    def history(self) -> deque[Document]:
        """The documents of the last ended tasks, oldest first, as many as `history=` said."""
        return self._collector.history

    def _say(self, id: int, kind: str, value: object) -> None:
        self._collector.say(id, kind, value)

    def _want_started(self, wanted: bool) -> None:
        if self._core is not None:
            lib.pvs_want_started(self._core, wanted)

    # ---- the end --------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return bool(self._closed)

    def close(self, timeout: float = 1.0) -> None:
        """Cancel all tasks by `shutdown`, call them back, end workers and keepers. Again is harmless; callbacks may.

        What runs gets SIGTERM now and SIGKILL after `timeout` seconds (or its grace, if that is shorter). A thread or
        an inline task that goes on cannot be ended: its callback is called now, what it returns is dropped.
        """
        if self._closed:
            return
        self._closed = "the scheduler is closing"
        try:
            end_all(self, timeout)
        finally:
            self._closed = "the scheduler was closed"
            self._release()

    def _release(self) -> None:
        core, self._core = self._core, None
        for leave in list(self._leaving):
            leave()
        self._local.close()
        _all.discard(self)
        if core is not None:
            lib.pvs_close(core, 1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_closed", True):
            return
        self._closed = "the scheduler was forgotten without close()"
        self._release()

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(self._closed)

    def _left_behind(self) -> None:
        """In a child that the host has forked: the keepers and the descriptors are the parent's."""
        self._closed = "the scheduler belongs to the process that this one was forked from"
        self._local.left_behind()
        self._core = None


def _check_callback(callback: object) -> None:
    if callback is not None and not callable(callback):
        raise BadTask(f"a callback is called with the document; {callback!r} cannot be called", hint="give a function")


_all: WeakSet[Scheduler] = WeakSet()


def _after_fork() -> None:
    for scheduler in list(_all):
        scheduler._left_behind()
    _all.clear()


os.register_at_fork(after_in_child=_after_fork)
