"""From documents to answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pvsched.objects import answers
from pvsched.objects.answers import PUT_ANSWERS, get_answer, put_answer


def document(outcome: str, data: Any = None, **more: Any) -> dict[str, Any]:
    """A task's document."""
    return {"outcome": outcome, "data": data, "started_at": 1.0, **more}


def test_every_word_that_a_worker_says_has_an_answer() -> None:
    """No result that the worker's code can return is unknown to the table."""
    home = Path(answers.__file__).parent
    spoken = re.findall(r'(?:Refused\(|"result": |errno\.E\w+: |return )"([a-z-]+)"', (home / "upload.py").read_text())
    spoken += re.findall(r'\(\w+, "([a-z-]+)"\)', (home / "tasks.py").read_text())
    assert {"stored", "no-space", "bad-hash", "cut-short", "too-slow"} <= set(spoken)
    assert set(spoken) <= PUT_ANSWERS.keys()


@pytest.mark.parametrize(
    ("word", "status", "text"),
    [
        ("stored", 200, None),
        ("present", 200, None),
        ("bad-hash", 422, "Object has bad checksum"),
        ("no-space", 507, "Not enough disk space available"),
        ("bad-name", 400, "Request has bad object name"),
        ("io-error", 500, "Upload error"),
        ("cut-short", 0, None),
    ],
)
def test_recorded_answers_are_kept_word_by_word(word: str, status: int, text: str | None) -> None:
    """Status and text are those of the recorded device."""
    answer = put_answer(document("succeeded", {"result": word, "reusable": True}))
    assert (answer.status, answer.error) == (status, text)
    assert answer.reusable == (status != 0), "a connection that is closed without an answer is never used again"


@pytest.mark.parametrize(
    ("outcome", "more", "status"),
    [
        ("failed", {}, 500),
        ("timed_out", {}, 503),
        ("expired", {}, 503),
        ("cancelled", {"by": "client-left"}, 0),
        ("cancelled", {"by": "caller"}, 503),
        ("cancelled", {"by": "shutdown"}, 503),
        ("succeeded", {}, 500),
    ],
)
def test_a_put_whose_task_fails_is_answered_all_the_same(outcome: str, more: dict[str, Any], status: int) -> None:
    """Each outcome has its answer, and none of them leaves the connection open."""
    answer = put_answer(document(outcome, **more))
    assert answer.status == status
    assert not answer.reusable


@pytest.mark.parametrize(("by", "code"), [("caller", "cancelled"), ("shutdown", "closed")])
def test_who_waits_for_a_cancelled_transfer_hears_who_cancelled_it(by: str, code: str) -> None:
    """`pvsched tasks cancel` is not told as the daemon's end; both may be tried again."""
    ended = document("cancelled", started_at=None, by=by)
    for answer in (put_answer(ended), get_answer(ended)):
        assert (answer.status, answer.code, answer.retry_after) == (503, code, 5)


@pytest.mark.parametrize(
    ("given", "status", "reusable"),
    [
        (document("succeeded", {"result": "sent", "reusable": True}), 0, True),
        (document("succeeded", {"result": "cut-short", "reusable": False}), 0, False),
        (document("succeeded", {"result": "missing"}), 400, True),
        (document("succeeded", {"result": "unreadable"}), 500, True),
        (document("failed"), 0, False),
        (document("timed_out"), 0, False),
        (document("failed", started_at=None), 503, False),
        (document("expired", started_at=None), 503, False),
        (document("cancelled", started_at=None, by="shutdown"), 503, False),
        (document("cancelled", started_at=None, by="client-left"), 0, False),
    ],
)
def test_a_get_is_answered_by_the_loop_only_if_no_worker_had_the_socket(
    given: dict[str, Any], status: int, reusable: bool
) -> None:
    """Once a worker may have sent a byte the loop says nothing; before that it always says something."""
    answer = get_answer(given)
    assert (answer.status, answer.reusable) == (status, reusable)
