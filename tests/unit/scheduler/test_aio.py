"""The adapter for asyncio: documents are awaited, cancellation goes both ways."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pvsched
from pvsched.aio import AsyncScheduler, attach
from tests.unit.scheduler.handlers import REGISTRY


def test_documents_are_awaited_together() -> None:
    """Several tasks run at once and each await gets its own document."""

    async def main() -> list[Any]:
        async with AsyncScheduler(registry=REGISTRY) as scheduler:
            tasks = [scheduler.run_task(pvsched.Task("add", {"a": n, "b": 1})) for n in range(20)]
            return [document["data"]["sum"] for document in await asyncio.gather(*tasks)]

    assert asyncio.run(main()) == list(range(1, 21))


def test_the_loop_turns_while_tasks_run_inline() -> None:
    """With workers=0 the loop comes round between two tasks."""

    async def main() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with AsyncScheduler(0, registry=REGISTRY) as scheduler:
            counter = asyncio.ensure_future(count())
            await asyncio.gather(*(scheduler.run_task(pvsched.Task("echo", n)) for n in range(5)))
            counter.cancel()
        return turns

    assert asyncio.run(main()) >= 5


def test_cancelling_the_awaiting_task_cancels_ours(tmp_path: Any) -> None:
    """The worker of a cancelled await is asked to stop, and the scheduler is empty afterwards."""

    async def main() -> Any:
        async with AsyncScheduler(registry=REGISTRY, history=1) as scheduler:
            waiting = asyncio.ensure_future(scheduler.run_task(pvsched.Task("polite", str(tmp_path / "runs"))))
            while not (tmp_path / "runs").exists():
                await asyncio.sleep(0.005)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            while scheduler.scheduler.pending:
                await asyncio.sleep(0.005)
            return scheduler.scheduler.history[0]

    document = asyncio.run(main())
    assert (document["outcome"], document["by"]) == ("cancelled", "caller")


def test_leaving_ends_what_runs() -> None:
    """The end of `async with` cancels by shutdown, and whoever awaits gets that document."""

    async def main() -> Any:
        async with AsyncScheduler(registry=REGISTRY) as scheduler:
            waiting = asyncio.ensure_future(scheduler.run_task(pvsched.Task("sleep", 60)))
            await asyncio.sleep(0)
        return await waiting

    document = asyncio.run(main())
    assert (document["outcome"], document["by"]) == ("cancelled", "shutdown")


def test_leaving_starts_nothing_of_what_waits() -> None:
    """However many wait: all are cancelled at once, and only what runs is waited for."""

    async def main() -> list[Any]:
        documents: list[Any] = []
        async with AsyncScheduler(1, registry=REGISTRY) as scheduler:
            for _ in range(1500):
                scheduler.scheduler.add_task(pvsched.Task("sleep", 0.001), documents.append)
        return documents

    documents = asyncio.run(main())
    assert len(documents) == 1500
    assert [document for document in documents if document["started_at"] is not None] == []


def test_an_end_that_is_cancelled_closes_all_the_same() -> None:
    """Who gives up waiting for the end leaves no worker behind."""

    async def main() -> bool:
        scheduler = AsyncScheduler(1, registry=REGISTRY, executor="thread")
        scheduler.scheduler.add_task(pvsched.Task("sleep", 0.5))
        await asyncio.sleep(0.05)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(scheduler.close(timeout=60), 0.05)
        return scheduler.scheduler.closed

    assert asyncio.run(main())


def test_an_open_scheduler_can_be_attached_and_detached() -> None:
    """attach() drives a scheduler of the caller's; detach() gives it back, open."""

    async def main(scheduler: pvsched.Scheduler) -> Any:
        attached = attach(scheduler)
        document = await attached.run_task(pvsched.Task("echo", "x"))
        attached.detach()
        with pytest.raises(pvsched.Closed):
            await attached.run_task(pvsched.Task("echo", "x"))
        return document

    with pvsched.Scheduler(registry=REGISTRY) as scheduler:
        assert asyncio.run(main(scheduler))["data"] == "x"
        assert not scheduler.closed


def test_refusals_are_raised_at_once() -> None:
    """What add_task refuses, run_task refuses."""

    async def main() -> None:
        async with AsyncScheduler(0, registry=REGISTRY) as scheduler:
            with pytest.raises(pvsched.UnknownName):
                await scheduler.run_task(pvsched.Task("nothing"))

    asyncio.run(main())


def test_closing_in_a_callback_ends_the_await() -> None:
    """A callback that closes the scheduler leaves no await hanging."""

    async def main() -> Any:
        scheduler = AsyncScheduler(registry=REGISTRY)
        scheduler.scheduler.add_task(pvsched.Task("echo", 1), lambda document: scheduler.scheduler.close())
        return await scheduler.run_task(pvsched.Task("sleep", 60))

    assert asyncio.run(main())["by"] == "shutdown"


def test_a_scheduler_closed_while_attached_leaves_the_loop() -> None:
    """The next scheduler gets the same descriptor's number, and its tasks end; who still awaits the first is told."""

    async def main() -> tuple[Any, Any]:
        with pvsched.Scheduler(1, registry=REGISTRY) as first:
            attached = attach(first)
            await attached.run_task(pvsched.Task("echo", 1))
        with pytest.raises(pvsched.Closed):
            await attached.run_task(pvsched.Task("echo", 2))
        async with AsyncScheduler(0, registry=REGISTRY) as second:
            document = await asyncio.wait_for(second.run_task(pvsched.Task("echo", 3)), 20)
        return first.closed, document["outcome"]

    assert asyncio.run(main()) == (True, "succeeded")
