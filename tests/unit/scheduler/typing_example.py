"""What a typed program does with the library; mypy --strict reads this, nothing runs it."""

from __future__ import annotations

from typing import Any

import pvsched
from pvsched.aio import AsyncScheduler
from pvsched.testing import FakeClock, SyncScheduler


@pvsched.task("typed", timeout=15, priority=3, lane="slow", on_timeout="graceful")
def typed(data: dict[str, int], context: pvsched.Context) -> dict[str, int]:
    deadline: float | None = context.deadline
    context.progress(0.5, "half")
    return {"sum": sum(data.values()), "id": context.id, "late": int(deadline is None or context.cancelled())}


def callback(document: dict[str, Any]) -> None:
    print(document["outcome"])


def program() -> None:
    with pvsched.Scheduler(workers=2, executor="pool", policy="strict", clock=FakeClock()) as scheduler:
        scheduler.set_lane("slow", limit=2, weight="low")
        task_id: int = scheduler.add_task(
            pvsched.Task("typed", data={"a": 1}, fds={"x": 0}, key="k", limits={"cpu": 0.5}), callback
        )
        cancelled: bool = scheduler.cancel(task_id)
        ended: int = scheduler.run(wait=1.0)
        subscription: pvsched.Subscription = scheduler.subscribe()
        events: list[pvsched.Event] = subscription.read()
        explained: dict[str, Any] = scheduler.explain(task_id)
        print(cancelled, ended, events, explained, scheduler.pending, scheduler.fileno())


async def async_program() -> dict[str, Any]:
    async with AsyncScheduler(workers=1) as scheduler:
        return await scheduler.run_task(pvsched.Task("typed", {"a": 1}))


def sync_program() -> dict[str, Any]:
    with SyncScheduler() as scheduler:
        return scheduler.run_task(pvsched.Task("typed", {"a": 1}, timeout=None))
