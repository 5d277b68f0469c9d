"""The main loop's side, over the real scheduler and its workers."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pvsched
from pvsched.objects.answers import BUSY, LINE_FULL
from pvsched.objects.controller import Objects, register
from pvsched.objects.model import GetResult, ObjectSettings, PutResult, VerifyResult, rotten_name, stage_name
from pvsched.objects.transfers import Get, Put
from pvsched.scheduler.registry import Registry
from tests.patience import patience
from tests.unit.objects.lent import files, sha_of, waiting

CONTENT = os.urandom(300_000)
SHA = sha_of(CONTENT)
LIMIT = patience(30)


class Body:
    """What a head announces."""

    def __init__(self, length: int | None) -> None:
        self.kind = "chunked" if length is None else "length"
        self.length = length


class Bench:
    """An `Objects` over a scheduler, and the loop that turns it."""

    def __init__(self, scheduler: pvsched.Scheduler, directory: Path, settings: ObjectSettings) -> None:
        self.scheduler = scheduler
        self.directory = directory
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.objects = Objects(
            scheduler, str(directory), settings, tell=lambda event, **fields: self.told.append((event, fields))
        )
        self._sockets: list[socket.socket] = []

    def until(self, done: Callable[[], Any]) -> None:
        """Turns the loop until `done()`, or fails."""
        end = time.monotonic() + LIMIT
        while not done():
            assert time.monotonic() < end, "it never came to that"
            self.scheduler.run(wait=0.05)

    def idle(self) -> None:
        """Turns the loop until no task is left."""
        self.until(lambda: not self.scheduler.pending)

    def start(self) -> None:
        """Scans."""
        self.objects.start()
        self.idle()

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """A client's end, and the lent one."""
        peer, lent = socket.socketpair()
        lent.setblocking(False)
        self._sockets += [peer, lent]
        return peer, lent

    def put(self, sha: str, sent: bytes, length: int | None) -> tuple[Put, list[PutResult], socket.socket]:
        """Begins a PUT whose client has sent `sent`; returns it, the list its answer goes to, and the client's end."""
        peer, lent = self.pair()
        with suppress(BlockingIOError):
            peer.send(sent, socket.MSG_DONTWAIT)
        answers: list[PutResult] = []
        return self.objects.put(sha, lent.fileno(), Body(length), False, answers.append), answers, peer

    def get(self, sha: str, **changes: Any) -> tuple[Get, list[GetResult], socket.socket]:
        """Begins a GET; returns it, the list its end goes to, and the client's end."""
        peer, lent = self.pair()
        ends: list[GetResult] = []
        wanted: dict[str, Any] = {"range_header": None, "version": (1, 1), "keep_alive": True, **changes}
        return self.objects.get(sha, lent.fileno(), done=ends.append, **wanted), ends, peer

    def close(self) -> None:
        """Closes all that was opened."""
        self.objects.close()
        for end in self._sockets:
            end.close()


@pytest.fixture
def registry() -> Registry:
    """The tasks of objects, and nothing else."""
    made = Registry()
    register(made)
    return made


@pytest.fixture(params=["pool", "fork"])
def executor(request: pytest.FixtureRequest) -> str:
    """How tasks run."""
    return str(request.param)


@pytest.fixture
def bench(store: Path, registry: Registry, executor: str) -> Iterator[Bench]:
    """Two workers, one of them for transfers; a line of three."""
    with pvsched.Scheduler(workers=2, executor=executor, registry=registry, capacity=64) as scheduler:  # type: ignore[arg-type]
        made = Bench(scheduler, store, ObjectSettings(reserved_percent=0, lane_limit=1, line=3))
        yield made
        made.close()


def stage_exists(bench: Bench) -> Callable[[], bool]:
    """True once a worker has begun to write."""
    return lambda: any(name.endswith(".tmp") for name in os.listdir(bench.directory))


def test_what_was_put_is_listed_and_can_be_had(bench: Bench) -> None:
    """PUT, list, GET and a GET of what is not there."""
    bench.start()
    small = CONTENT[:1000]
    _, answers, _ = bench.put(sha_of(small), small, 1000)
    bench.idle()
    assert answers == [PutResult(200, reusable=True)]
    assert bench.objects.index.json() == f'[{{"sha256":"{sha_of(small)}","size":"1000"}}]'.encode()
    assert [info.size for info in bench.objects.listing()] == [1000]
    _, ends, peer = bench.get(sha_of(small), range_header="bytes=10-19")
    bench.idle()
    assert ends == [GetResult(0, reusable=True)]
    assert waiting(peer).partition(b"\r\n\r\n")[2] == small[10:20]
    assert bench.objects.missing(SHA)
    assert bench.objects.missing("x")
    assert not bench.objects.missing(sha_of(small))


def test_the_scan_finds_what_is_there_and_removes_what_a_crash_left(bench: Bench) -> None:
    """Once at start; who asked is told, and the event says what was found."""
    (bench.directory / SHA).write_bytes(CONTENT)
    (bench.directory / stage_name(SHA, 5)).write_bytes(b"half")
    assert not bench.objects.missing(SHA), "before the scan only a worker knows"
    asked: list[bool] = []
    for _ in range(2):
        bench.objects.start(lambda: asked.append(bench.objects.ready))
    bench.idle()
    assert asked == [True, True]
    assert bench.told == [("objects-scanned", {"objects": 1, "removed": 1, "rotten": 0})]
    assert files(bench.directory) == {SHA: CONTENT}


def test_a_scan_that_fails_is_told_and_can_be_tried_again(bench: Bench) -> None:
    """Whoever waits hears that there is no index yet; the next attempt makes one."""
    asked: list[bool] = []
    bench.objects.apply(bench.objects.settings._replace(transfer_timeout=1e-9))
    bench.objects.start(lambda: asked.append(bench.objects.ready))
    bench.idle()
    assert (asked, bench.told[0][0]) == ([False], "objects-failed")
    bench.objects.apply(bench.objects.settings._replace(transfer_timeout=60.0))
    bench.objects.start(lambda: asked.append(bench.objects.ready))
    bench.idle()
    assert asked == [False, True]
    bench.scheduler.close()
    bench.objects.start(lambda: asked.append(True))
    assert asked == [False, True, True]


def test_a_client_that_leaves_cancels_its_upload_and_nothing_is_left(bench: Bench) -> None:
    """In the middle of a body: the worker puts the stage away, and is free."""
    transfer, answers, _ = bench.put(SHA, CONTENT[:1000], len(CONTENT))
    bench.until(stage_exists(bench))
    transfer.cancel()
    transfer.cancel()
    bench.idle()
    assert answers == [PutResult(0)]
    assert files(bench.directory) == {}
    assert len(bench.objects.lines) == 0


def test_a_worker_that_is_killed_leaves_nothing_and_its_client_is_answered(bench: Bench) -> None:
    """SIGKILL in the middle of a body: the stage is gone before the answer is given."""
    transfer, answers, peer = bench.put(SHA, CONTENT[:1000], len(CONTENT))
    bench.until(stage_exists(bench))
    [task] = [task for task in bench.scheduler.tasks() if task["id"] == transfer.task]
    os.kill(task["worker"], signal.SIGKILL)
    seen: list[dict[str, bytes]] = []
    bench.until(lambda: answers and (seen.append(files(bench.directory)) or True))
    assert (answers[0].status, answers[0].reusable, seen) == (500, False, [{}])
    bench.idle()
    # the next one has its turn
    _, again, peer = bench.put(SHA, b"", 5)
    peer.send(b"wrong")
    bench.idle()
    assert again == [PutResult(422, "Object has bad checksum", True)]


def test_an_upload_that_takes_too_long_is_answered(bench: Bench) -> None:
    """The task's time is over: it stops, cleans up, and the client is told."""
    bench.objects.apply(bench.objects.settings._replace(transfer_timeout=0.2))
    _, answers, _ = bench.put(SHA, CONTENT[:1000], len(CONTENT))
    bench.until(lambda: answers)
    assert (answers[0].status, answers[0].code) == (503, "transfer-timeout")
    bench.idle()
    assert files(bench.directory) == {}


def test_writers_of_one_name_stand_in_a_line_without_holding_workers(bench: Bench) -> None:
    """Only the first is a task; the others have their turn one by one, and the line is bounded."""
    _, answers, peer = bench.put(SHA, b"", len(CONTENT))
    others = [bench.put(SHA, b"", len(CONTENT)) for _ in range(3)]
    bench.until(stage_exists(bench))
    assert [transfer.task for transfer, _, _ in others] == [None] * 3
    assert bench.scheduler.pending == 1
    assert bench.put(SHA, b"", len(CONTENT))[1] == [LINE_FULL]
    others[1][0].cancel()
    assert others[1][1] == [PutResult(0)]
    for end, given in ((peer, answers), (others[0][2], others[0][1]), (others[2][2], others[2][1])):
        send_all(bench, end, CONTENT)
        bench.until(lambda given=given: given)
        assert given == [PutResult(200, reusable=True)]
    bench.idle()
    assert files(bench.directory) == {SHA: CONTENT}
    assert len(bench.objects.lines) == 0


def send_all(bench: Bench, peer: socket.socket, content: bytes) -> None:
    """Sends while the loop turns."""
    view = memoryview(content)
    while view:
        with suppress(BlockingIOError):
            view = view[peer.send(view, socket.MSG_DONTWAIT) :]
        bench.scheduler.run(wait=0.0)


def test_a_name_that_someone_writes_slowly_holds_nobody_else(bench: Bench) -> None:
    """While a worker waits for a slow client the other one is free for all that is no transfer."""
    bench.put(SHA, b"", len(CONTENT))
    bench.until(stage_exists(bench))
    bench.objects.start()
    bench.until(lambda: bench.objects.ready)
    assert bench.scheduler.pending == 1


def test_a_full_queue_is_said_to_be_full(bench: Bench) -> None:
    """No room for the task: 503, and when there is room again it goes on."""
    bench.objects.apply(bench.objects.settings._replace(line=1000))
    names = [f"{number:064x}" for number in range(70)]
    given = [bench.put(name, b"x", 1)[1] for name in names]
    assert [answers for answers in given if answers] == [[BUSY]] * (70 - 64)
    bench.idle()
    assert all(len(answers) == 1 for answers in given)
    _, ends, _ = bench.get(SHA)
    bench.idle()
    assert ends[0].status == 400


def test_a_closed_scheduler_is_answered_too(bench: Bench) -> None:
    """Whoever comes while the daemon goes down hears that."""
    bench.scheduler.close()
    assert bench.put(SHA, b"", 1)[1][0].code == "closed"
    assert bench.get(SHA)[1][0].code == "closed"
    found: list[VerifyResult] = []
    bench.objects.verify(SHA, found.append)
    assert found == [VerifyResult(0, (), ((SHA, "closed"),))]


def test_an_object_that_vanished_leaves_the_index(bench: Bench) -> None:
    """Removed by other hands: the client hears that there is none, and so does the next listing."""
    (bench.directory / SHA).write_bytes(CONTENT)
    bench.start()
    (bench.directory / SHA).unlink()
    _, ends, peer = bench.get(SHA)
    bench.idle()
    assert (ends[0].status, ends[0].error, waiting(peer)) == (400, "Request has bad object name", b"")
    assert bench.objects.listing() == []


def test_a_client_that_leaves_ends_its_download(bench: Bench) -> None:
    """The worker stops, and the connection is not used again."""
    (bench.directory / SHA).write_bytes(CONTENT * 10)
    bench.start()
    transfer, ends, _ = bench.get(SHA)
    bench.until(lambda: any(task.get("started_at") for task in bench.scheduler.tasks()))
    transfer.cancel()
    bench.idle()
    assert ends == [GetResult(0)]


def test_rot_is_found_by_a_verification_of_all(bench: Bench) -> None:
    """Rotten ones leave index and sight, unreadable names are no objects, good ones stay; each is told of."""
    rotten, good = "ab" * 32, sha_of(b"good")
    (bench.directory / rotten).write_bytes(b"bad")
    (bench.directory / good).write_bytes(b"good")
    bench.start()
    found: list[VerifyResult] = []
    bench.objects.verify(None, found.append)
    bench.idle()
    assert found == [VerifyResult(2, (rotten,), ())]
    assert ("object-rotten", {"sha256": rotten}) in bench.told
    assert [info.sha256 for info in bench.objects.listing()] == [good]
    assert set(files(bench.directory)) == {good, rotten_name(rotten)}


def test_rot_is_found_by_the_check_at_start(bench: Bench) -> None:
    """Where it is asked for, each object is read after the scan; then a PUT repairs."""
    bench.objects.apply(bench.objects.settings._replace(verify_at_start=True))
    (bench.directory / SHA).write_bytes(CONTENT[:-1])
    bench.start()
    assert bench.objects.listing() == []
    _, answers, peer = bench.put(SHA, b"", len(CONTENT))
    send_all(bench, peer, CONTENT)
    bench.idle()
    assert answers == [PutResult(200, reusable=True)]
    assert files(bench.directory) == {SHA: CONTENT}


def test_a_verification_waits_for_the_writer_of_its_object(bench: Bench) -> None:
    """It never judges what is being written."""
    _, answers, peer = bench.put(SHA, b"", len(CONTENT))
    found: list[VerifyResult] = []
    bench.objects.verify(SHA, found.append)
    bench.until(stage_exists(bench))
    assert bench.scheduler.pending == 1
    send_all(bench, peer, CONTENT)
    bench.idle()
    assert (answers[0].status, found) == (200, [VerifyResult(1, (), ())])


def test_a_verification_can_be_stopped(bench: Bench) -> None:
    """What was found until then is reported."""
    for number in range(20):
        (bench.directory / sha_of(bytes((number,)))).write_bytes(bytes((number,)))
    bench.start()
    found: list[VerifyResult] = []
    check = bench.objects.verify(None, found.append)
    bench.until(lambda: bench.scheduler.pending)
    check.cancel()
    bench.idle()
    assert len(found) == 1
    assert found[0].checked + len(found[0].failed) <= 1


def test_a_rotten_object_that_a_failed_upload_found_is_no_longer_listed(bench: Bench) -> None:
    """Quarantine is known to the index although the PUT failed."""
    (bench.directory / SHA).write_bytes(b"rotten")
    bench.start()
    _, answers, _ = bench.put(SHA, b"wrong", 5)
    bench.idle()
    assert answers[0].status == 422
    assert bench.objects.listing() == []
    assert ("object-rotten", {"sha256": SHA}) in bench.told


def test_a_bad_name_never_becomes_a_task(bench: Bench) -> None:
    """It is answered at once."""
    _, answers, _ = bench.put("../" + SHA[3:], b"", 0)
    assert answers[0].status == 400
    assert bench.scheduler.pending == 0


def test_sixty_four_writers_of_one_name_all_hear_200(bench: Bench) -> None:
    """At once, with one name: one object, and nothing else is left (row C1)."""
    bench.objects.apply(bench.objects.settings._replace(line=63))
    content = CONTENT[:4096]
    given = [bench.put(sha_of(content), content, len(content))[1] for _ in range(64)]
    bench.idle()
    assert given == [[PutResult(200, reusable=True)]] * 64
    assert files(bench.directory) == {sha_of(content): content}


@pytest.mark.parametrize(("workers", "setting", "limit"), [(0, 0, 1), (1, 0, 1), (2, 0, 1), (4, 0, 3), (2, 5, 5)])
def test_transfers_leave_one_worker_free(
    store: Path, registry: Registry, workers: int, setting: int, limit: int
) -> None:
    """Where nothing else was set the lane has one place less than there are workers, also after a change of them."""
    with pvsched.Scheduler(workers=1, max_workers=8, registry=registry) as scheduler:
        objects = Objects(scheduler, str(store), ObjectSettings(lane_limit=setting))
        scheduler.set_workers(workers)
        objects.apply(objects.settings)
        assert scheduler.stats()["lanes"]["objects"]["limit"] == limit
        objects.close()


def test_it_works_without_workers(store: Path, registry: Registry) -> None:
    """workers=0: the same, in the loop, for comparison."""
    with pvsched.Scheduler(workers=0, registry=registry) as scheduler:
        bench = Bench(scheduler, store, ObjectSettings(reserved_percent=0))
        bench.start()
        _, answers, _ = bench.put(sha_of(b"x"), b"x", 1)
        bench.idle()
        assert answers == [PutResult(200, reusable=True)]
        bench.close()
