"""/metrics: valid OpenMetrics, right sums, bounded labels."""

from __future__ import annotations

import pytest

from pvsched.cli.metrics import Metrics
from pvsched.control.endpoints.metrics import (
    BUCKETS,
    CONTENT_TYPE,
    TYPES_SHOWN,
    Exposition,
    Histogram,
    MetricsEndpoint,
    TaskMetrics,
    memory_bytes,
)
from pvsched.scheduler.events import Event
from tests.unit.control.endpoint_doubles import CALLER, FakeReply, request


def ended(outcome: str, seconds: float | None, type: str = "a") -> Event:
    started = None if seconds is None else 1.0
    data = {"type": type, "outcome": outcome, "started_at": started, "ended_at": 1.0 + (seconds or 0)}
    return Event(1, 0.0, "ended", 1, data)


def test_the_answer_ends_as_openmetrics_demands() -> None:
    """Content type, one TYPE and HELP a family, # EOF at the end."""
    reply = FakeReply()
    MetricsEndpoint([lambda out: out.counter("kills", "Kills.", 3)]).ask(request(), reply, (), CALLER)  # type: ignore[arg-type]
    assert reply.content_type == CONTENT_TYPE
    assert reply.body.decode() == (
        "# TYPE pvsched_kills counter\n# HELP pvsched_kills Kills.\npvsched_kills_total 3\n# EOF\n"
    )


def test_labels_are_escaped() -> None:
    """A lane may have any name; it cannot forge a sample."""
    out = Exposition()
    out.labelled("x", "gauge", "X.", "lane", {'a"} 1\npvsched_y 2\\': 1})
    assert out.text().splitlines()[2] == r'pvsched_x{lane="a\"} 1\npvsched_y 2\\"} 1'


@pytest.mark.parametrize("value", [0, 0.001, 0.0011, 3600, 1e9])
def test_a_histogram_is_cumulative(value: float) -> None:
    """A value counts in every bucket whose bound is not below it, and in +Inf."""
    histogram = Histogram()
    histogram.add(value)
    out = Exposition()
    histogram.write(out, "t")
    metrics = Metrics(out.text())
    for bound in BUCKETS:
        assert metrics.total("pvsched_t_bucket", le=str(bound)) == (value <= bound)
    assert metrics.total("pvsched_t_bucket", le="+Inf") == 1
    assert metrics.total("pvsched_t_sum") == pytest.approx(value)
    assert metrics.total("pvsched_t_count") == 1


def test_outcomes_and_durations_are_counted_from_events() -> None:
    """A task that never started has an outcome and no duration."""
    metrics = TaskMetrics()
    for event in (ended("succeeded", 0.002), ended("succeeded", 0.2), ended("expired", None), ended("failed", 1, "b")):
        metrics.listen(event)
    metrics.listen(Event(2, 0.0, "refused", None, {}))
    metrics.listen(Event(3, 0.0, "progress", 1, {}))
    out = Exposition()
    metrics.write(out)
    read = Metrics(out.text())
    assert read.total("pvsched_tasks_ended_total", type="a", outcome="succeeded") == 2
    assert read.by("pvsched_tasks_ended_total", "outcome") == {"succeeded": 2, "expired": 1, "failed": 1}
    assert read.total("pvsched_task_duration_seconds_count", type="a") == 2
    assert read.total("pvsched_tasks_refused_total") == 1


def test_the_number_of_types_is_bounded() -> None:
    """Whatever names tasks have, the answer stays small; none is lost from the sum."""
    metrics = TaskMetrics()
    for number in range(TYPES_SHOWN + 50):
        metrics.listen(ended("succeeded", 0.1, f"type{number}"))
    out = Exposition()
    metrics.write(out)
    read = Metrics(out.text())
    assert read.total("pvsched_tasks_ended_total") == TYPES_SHOWN + 50
    assert read.total("pvsched_tasks_ended_total", type="other") == 50


def test_memory_is_that_of_this_process() -> None:
    """Resident bytes: more than the interpreter's least, less than the machine's."""
    assert 4_000_000 < memory_bytes() < 1 << 40
