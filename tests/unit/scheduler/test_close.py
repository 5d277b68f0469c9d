"""The end of a scheduler: everyone is called back once, and nothing is left."""

from __future__ import annotations

import signal
from typing import Any

import pytest

import pvsched
from tests.unit.scheduler.conftest import EXECUTORS, Bench
from tests.unit.scheduler.handlers import REGISTRY


@pytest.mark.parametrize("executor", EXECUTORS)
def test_close_calls_everyone_back_once_by_shutdown(bench: Bench, executor: Any, tmp_path: Any) -> None:
    """Running, waiting and shared tasks all end `cancelled` by `shutdown`; nobody is called twice."""
    scheduler, documents = bench.open(workers=1, executor=executor), []
    ids = [scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x"), key="k"), documents.append)]
    if executor != "inline":
        bench.file_appears(scheduler, tmp_path / "x")
    ids += [scheduler.add_task(pvsched.Task("echo"), documents.append) for _ in range(5)]
    ids += [scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="coalesce"), documents.append)]
    ids += [scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="replace"), documents.append)]
    scheduler.close()
    scheduler.close()
    assert sorted(document["id"] for document in documents) == ids
    by = {(document["outcome"], document.get("by")) for document in documents}
    assert by <= {("cancelled", "shutdown"), ("cancelled", "replaced")}, by
    assert scheduler.pending == 0


def test_close_does_not_wait_for_the_stubborn(bench: Bench, tmp_path: Any) -> None:
    """After its timeout comes SIGKILL, whatever the grace."""
    scheduler, documents = bench.open(), []
    scheduler.add_task(pvsched.Task("stubborn", str(tmp_path / "x"), grace=3600), documents.append)
    bench.file_appears(scheduler, tmp_path / "x")
    scheduler.close(timeout=0.1)
    assert (documents[0]["by"], documents[0]["exit"]) == ("shutdown", {"signal": signal.SIGKILL})


def test_close_leaves_a_thread_behind_and_says_cancelled(bench: Bench, tmp_path: Any) -> None:
    """A thread cannot be killed: its callback comes now, what it returns is dropped."""
    scheduler, documents = bench.open(executor="thread"), []
    scheduler.add_task(pvsched.Task("touch-and-sleep", {"path": str(tmp_path / "x"), "seconds": 0.5}), documents.append)
    bench.file_appears(scheduler, tmp_path / "x")
    scheduler.close()
    assert [(document["outcome"], document["by"]) for document in documents] == [("cancelled", "shutdown")]


@pytest.mark.parametrize("executor", ["inline", "pool"])
def test_a_callback_may_close(bench: Bench, executor: Any) -> None:
    """What was collected with it is still delivered once; all else is cancelled."""
    scheduler, documents = bench.open(executor=executor, workers=1, inline_budget=3), []

    def callback(document: dict[str, Any]) -> None:
        documents.append(document)
        scheduler.close()

    for _ in range(6):
        scheduler.add_task(pvsched.Task("echo"), callback)
    while not scheduler.closed:
        scheduler.run(wait=1.0)
    assert sorted(document["id"] for document in documents) == [1, 2, 3, 4, 5, 6]


def test_an_inline_handler_may_close() -> None:
    """The task that closes its own scheduler is cancelled by it; nothing else happens."""
    registry = pvsched.Registry()
    registry.register("close", lambda data, context: scheduler.close())
    scheduler = pvsched.Scheduler(0, registry=registry)
    documents: list[Any] = []
    scheduler.add_task(pvsched.Task("close"), documents.append)
    while not scheduler.closed:
        scheduler.run()
    assert [document["by"] for document in documents] == ["shutdown"]


def test_with_closes_also_when_the_body_raises() -> None:
    """Leaving by an exception ends what runs; the leak check sees to the rest."""
    documents: list[Any] = []
    with pytest.raises(ZeroDivisionError), pvsched.Scheduler(registry=REGISTRY) as scheduler:  # noqa: PT012
        scheduler.add_task(pvsched.Task("sleep", 60), documents.append)
        scheduler.run()
        raise ZeroDivisionError
    assert documents[0]["by"] == "shutdown"


def test_a_forgotten_scheduler_leaves_nothing() -> None:
    """Without close(), its end as an object ends its processes."""
    scheduler = pvsched.Scheduler(registry=REGISTRY)
    scheduler.add_task(pvsched.Task("sleep", 60))
    scheduler.run(wait=0.5)
    del scheduler
