"""Tasks that share a key: refuse, coalesce, replace; in waiting and in running."""

from __future__ import annotations

from typing import Any, cast

import pytest

import pvsched
from pvsched.scheduler.keys import Keys
from tests.unit.scheduler.conftest import Bench

Documents = list[dict[str, Any]]


def hold(bench: Bench, scheduler: pvsched.Scheduler, path: Any, into: Documents, **options: Any) -> int:
    """Add a holder of the key "k" that runs until it is cancelled; return its id when it runs."""
    id = scheduler.add_task(pvsched.Task("polite", str(path), key="k", **options), into.append)
    bench.file_appears(scheduler, path)
    return id


def outcomes(documents: Documents) -> list[tuple[int, str, str | None]]:
    return [(document["id"], document["outcome"], document.get("by")) for document in documents]


def test_refuse_names_the_holder_and_takes_nothing(bench: Bench, tmp_path: Any) -> None:
    """A second task with the key is refused while the first waits or runs, and welcome afterwards."""
    scheduler, documents = bench.open(workers=1), []
    first = scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x"), key="k"), documents.append)
    for _ in range(2):
        with pytest.raises(pvsched.DuplicateKey) as refused:
            scheduler.add_task(pvsched.Task("echo", key="k"))
        assert (refused.value.holder, refused.value.code) == (first, "duplicate-key")
        bench.file_appears(scheduler, tmp_path / "x")
    assert scheduler.pending == 1
    scheduler.cancel(first)
    bench.drain(scheduler)
    assert bench.one(scheduler, "echo", 1, key="k")["data"] == 1


def test_coalesce_gives_everyone_the_one_outcome(bench: Bench) -> None:
    """Sharers have ids and callbacks of their own, the holder's data, and the work is done once."""
    scheduler, documents = bench.open(workers=1), []
    ids = [
        scheduler.add_task(pvsched.Task("about", key="k", on_duplicate="coalesce"), documents.append) for _ in range(4)
    ]
    assert scheduler.pending == 4
    bench.drain(scheduler)
    assert sorted(document["id"] for document in documents) == ids
    assert {document["data"]["id"] for document in documents} == {ids[0]}
    assert scheduler.stats()["started"] == 1
    bench.until(scheduler, lambda: scheduler.stats()["held"] == 0)


def test_a_sharers_own_timeouts_do_not_count_and_its_place_does(bench: Bench, tmp_path: Any) -> None:
    """A sharer with a queue_timeout does not expire; it does fill the queue."""
    scheduler, documents = bench.open(workers=1, capacity=2), []
    first = hold(bench, scheduler, tmp_path / "x", documents)
    sharer = pvsched.Task("polite", key="k", on_duplicate="coalesce", queue_timeout=0.01, timeout=0.01)
    second = scheduler.add_task(sharer, documents.append)
    with pytest.raises(pvsched.QueueFull):
        scheduler.add_task(sharer)
    bench.one_turn_after(scheduler, 0.05)
    assert documents == []
    scheduler.cancel(first)
    scheduler.cancel(second)
    bench.drain(scheduler)
    assert [document["outcome"] for document in documents] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("leaver", [0, 1])
def test_cancelling_one_of_several_only_detaches_it(bench: Bench, tmp_path: Any, leaver: int) -> None:
    """Holder or sharer: one that leaves ends `cancelled` at once, the work goes on for the other."""
    scheduler, documents = bench.open(workers=1), []
    ids = [hold(bench, scheduler, tmp_path / "x", documents)]
    ids.append(scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="coalesce"), documents.append))
    assert scheduler.cancel(ids[leaver])
    bench.until(scheduler, lambda: documents)
    assert outcomes(documents) == [(ids[leaver], "cancelled", "caller")]
    assert scheduler.pending == 1
    assert scheduler.stats()["running"] == 1
    assert not scheduler.cancel(ids[leaver])
    assert scheduler.cancel(ids[1 - leaver], "client-left")  # the last one: the work itself
    bench.drain(scheduler)
    assert outcomes(documents)[1] == (ids[1 - leaver], "cancelled", "client-left")
    bench.until(scheduler, lambda: scheduler.stats()["running"] == 0)
    assert bench.one(scheduler, "echo", key="k")["outcome"] == "succeeded"


@pytest.mark.parametrize(("workers", "executor"), [(0, "pool"), (1, "inline"), (1, "thread"), (1, "fork"), (1, "pool")])
def test_what_its_first_caller_leaves_before_it_started_runs_for_the_others(
    bench: Bench, workers: int, executor: Any
) -> None:
    """Both that share it have its result, wherever it runs."""
    scheduler, documents = bench.open(workers=workers, executor=executor), []
    ids = [
        scheduler.add_task(pvsched.Task("echo", n, key="k", on_duplicate="coalesce"), documents.append)
        for n in range(3)
    ]
    scheduler.cancel(ids[0])
    bench.drain(scheduler)
    assert sorted((document["id"], document["outcome"], document["data"]) for document in documents) == [
        (ids[0], "cancelled", None),
        (ids[1], "succeeded", 0),
        (ids[2], "succeeded", 0),
    ]


def test_work_that_was_cancelled_is_nobody_elses(bench: Bench, tmp_path: Any) -> None:
    """One that would share it while it stops, or while its end is on the way, waits behind it and is run itself."""
    scheduler, documents = bench.open(workers=2), []
    first = hold(bench, scheduler, tmp_path / "x", documents)
    scheduler.cancel(first)
    second = scheduler.add_task(pvsched.Task("echo", 2, key="k", on_duplicate="coalesce"), documents.append)
    scheduler.cancel(second)  # it waits by now, and so its end is only on the way
    third = scheduler.add_task(pvsched.Task("echo", 3, key="k", on_duplicate="coalesce"), documents.append)
    fourth = scheduler.add_task(pvsched.Task("echo", 4, key="k", on_duplicate="coalesce"), documents.append)
    bench.drain(scheduler)
    assert sorted(outcomes(documents)) == [
        (first, "cancelled", "caller"),
        (second, "cancelled", "caller"),
        (third, "succeeded", None),
        (fourth, "succeeded", None),
    ]
    assert [document["data"] for document in documents if document["outcome"] == "succeeded"] == [3, 3]


def test_replace_ends_the_one_that_waits(bench: Bench, tmp_path: Any) -> None:
    """A waiting holder, with all who share it, ends `cancelled` by `replaced`; the new one runs."""
    scheduler, documents = bench.open(workers=1), []
    blocker = scheduler.add_task(pvsched.Task("polite", str(tmp_path / "x")))
    bench.file_appears(scheduler, tmp_path / "x")
    old = scheduler.add_task(pvsched.Task("echo", "old", key="k"), documents.append)
    sharer = scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="coalesce"), documents.append)
    new = scheduler.add_task(pvsched.Task("echo", "new", key="k", on_duplicate="replace"), documents.append)
    scheduler.cancel(blocker)
    bench.drain(scheduler)
    assert outcomes(documents) == [
        (old, "cancelled", "replaced"),
        (sharer, "cancelled", "replaced"),
        (new, "succeeded", None),
    ]
    assert documents[2]["data"] == "new"


def test_replace_waits_behind_a_running_holder(bench: Bench, tmp_path: Any) -> None:
    """A running holder is left alone; of several that want to be next, the last one is."""
    scheduler, documents = bench.open(workers=2), []
    first = hold(bench, scheduler, tmp_path / "x", documents)
    second = scheduler.add_task(pvsched.Task("echo", 2, key="k", on_duplicate="replace"), documents.append)
    third = scheduler.add_task(pvsched.Task("echo", 3, key="k", on_duplicate="replace"), documents.append)
    bench.until(scheduler, lambda: documents)
    assert outcomes(documents) == [(second, "cancelled", "replaced")]
    assert scheduler.explain(third)["reasons"][0] == {
        "reason": "key",
        "id": first,
        "text": f"task {first} holds its key until it ends",
    }
    with pytest.raises(pvsched.DuplicateKey):
        scheduler.add_task(pvsched.Task("echo", key="k"))
    scheduler.cancel(first)
    bench.drain(scheduler)
    assert outcomes(documents)[1:] == [(first, "cancelled", "caller"), (third, "succeeded", None)]
    assert documents[2]["started_at"] >= documents[1]["ended_at"]


def test_one_that_waits_behind_its_key_can_expire_or_be_cancelled(bench: Bench, tmp_path: Any) -> None:
    """The queue_timeout of a successor counts while it is held; so does a cancel."""
    scheduler, documents = bench.open(workers=2), []
    first = hold(bench, scheduler, tmp_path / "x", documents)
    second = scheduler.add_task(
        pvsched.Task("echo", key="k", on_duplicate="replace", queue_timeout=0.05), documents.append
    )
    bench.until(scheduler, lambda: documents)
    third = scheduler.add_task(pvsched.Task("echo", key="k", on_duplicate="replace"), documents.append)
    scheduler.cancel(third)
    bench.until(scheduler, lambda: len(documents) == 2)
    assert outcomes(documents) == [(second, "expired", None), (third, "cancelled", "caller")]
    scheduler.cancel(first)
    bench.drain(scheduler)


def test_a_default_key_of_a_name_counts(bench: Bench) -> None:
    """A key in the registration excludes all tasks of that name."""
    registry = pvsched.Registry()
    registry.register("only-one", "tests.unit.scheduler.handlers:echo", key="it")
    scheduler = bench.open(registry=registry)
    scheduler.add_task(pvsched.Task("only-one"))
    with pytest.raises(pvsched.DuplicateKey):
        scheduler.add_task(pvsched.Task("only-one"))
    bench.drain(scheduler)


def test_failures_are_shared_too(bench: Bench) -> None:
    """What the holder failed with, its sharers failed with."""
    scheduler, documents = bench.open(workers=1), []
    for _ in range(2):
        scheduler.add_task(pvsched.Task("raise", "boom", key="k", on_duplicate="coalesce"), documents.append)
    bench.drain(scheduler)
    assert [document["error"]["message"] for document in documents] == ["RuntimeError: boom"] * 2


def test_keys_release_their_successor_once() -> None:
    """The bookkeeping alone: hold, share, wait, leave, end."""
    keys = Keys()
    keys.hold("k", 1)
    group = keys.newest("k")
    assert group is not None
    keys.share(group, 2)
    keys.wait("k", 3)
    assert keys.newest("k") is keys.of(3)
    keys.leave(1, cast(Any, None))
    assert list(group.members) == [2]
    ended = keys.end(1)
    assert ended is not None
    assert (ended[0].id, ended[1].id if ended[1] else None) == (1, 3)
    assert keys.end(3) == (keys.of(3) or ended[1], None)
    assert keys.newest("k") is None
    assert not keys
