"""The end of a scheduler: every accepted task is called back once, whatever it is doing."""

from __future__ import annotations

import time

from pvsched.scheduler.outcome import CAUSE_NUMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pvsched.scheduler.scheduler import Scheduler

_STOP_SECONDS = 2.0  # what SIGKILL gets to show, after the caller's own timeout


def end_all(scheduler: Scheduler, timeout: float) -> None:
    """Cancel by `shutdown`: SIGTERM now, SIGKILL after `timeout` seconds; call back whatever is left then."""
    cancel_all(scheduler)
    _drain(scheduler, timeout)
    cancel_all(scheduler)  # again: SIGKILL
    _drain(scheduler, _STOP_SECONDS)
    _abandon(scheduler)
    scheduler._deliver()


def cancel_all(scheduler: Scheduler) -> None:
    """Cancel the work of every live task, once for all who share it."""
    cause = CAUSE_NUMBERS["shutdown"]
    for id in list(scheduler._live):
        group = scheduler._keys.of(id)
        work = id if group is None else group.id
        scheduler._local.cancel(work)
        if group is None or id == next(iter(group.members)):
            scheduler._admission.cancel_core(work, cause)


def _drain(scheduler: Scheduler, seconds: float) -> None:
    """Collect and call back until nothing lives that can be ended, or the time is over (by the real clock)."""
    until = time.monotonic() + seconds
    while True:
        scheduler._collector.collect()
        scheduler._deliver()
        left = until - time.monotonic()
        if not scheduler._live or left <= 0 or scheduler._local.holds_all(scheduler._live):
            return
        scheduler._sleep(left)


def _abandon(scheduler: Scheduler) -> None:
    """Tell those whose tasks nobody can end: a thread, an inline task that closes its own scheduler."""
    for id, record in list(scheduler._live.items()):
        info = scheduler._inspection.look(id)
        document = scheduler._collector.cancelled(id, record[0], info.queued_ns if info else 0, "shutdown")
        document["started_at"] = info.started_ns / 1e9 if info and info.started_ns else None
        scheduler._collector.tell(record, document)
    scheduler._live.clear()
