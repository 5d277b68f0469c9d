"""`/metrics`: OpenMetrics text, gathered when asked for; nothing runs in between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Reply
    from pvsched.control.routes import Router
    from pvsched.scheduler.events import Event

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 600.0, 3600.0)
# Task types become labels; a client of the library could make any number of them.
TYPES_SHOWN = 64


class Exposition:
    """The text being made. One `family` call, then its samples."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def family(self, name: str, kind: str, help: str) -> None:
        """Begins a metric; `name` without prefix and without `_total`."""
        self._lines.append(f"# TYPE pvsched_{name} {kind}")
        self._lines.append(f"# HELP pvsched_{name} {help}")

    def sample(self, name: str, value: float, **labels: object) -> None:
        """One sample; `name` without prefix, with its suffix."""
        inside = ",".join(f'{label}="{_escaped(str(text))}"' for label, text in labels.items())
        shown = f"{{{inside}}}" if inside else ""
        self._lines.append(f"pvsched_{name}{shown} {value:.10g}")

    def gauge(self, name: str, help: str, value: float) -> None:
        """A family of one sample that goes up and down."""
        self.family(name, "gauge", help)
        self.sample(name, value)

    def counter(self, name: str, help: str, value: float) -> None:
        """A family of one sample that only grows."""
        self.family(name, "counter", help)
        self.sample(name + "_total", value)

    def labelled(self, name: str, kind: str, help: str, label: str, values: Mapping[Any, float]) -> None:
        """A family with one label."""
        self.family(name, kind, help)
        suffix = "_total" if kind == "counter" else ""
        for text, value in values.items():
            self.sample(name + suffix, value, **{label: text})

    def text(self) -> str:
        """All of it."""
        return "\n".join([*self._lines, "# EOF", ""])


Source = Callable[[Exposition], None]


class MetricsEndpoint:
    """The handler, and the places that it asks."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)

    def add_to(self, router: Router) -> None:
        """Registers the route."""
        router.add("GET", "/metrics", self.ask)

    def ask(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """The text."""
        out = Exposition()
        for source in self._sources:
            source(out)
        reply.send(200, out.text().encode(), content_type=CONTENT_TYPE)


class Histogram:
    """Counts by upper bound, and the sum."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.sum += value

    def write(self, out: Exposition, name: str, **labels: object) -> None:
        """Its samples; the family has been begun."""
        total = 0
        for bound, count in zip((*BUCKETS, "+Inf"), self.counts, strict=True):
            total += count
            out.sample(name + "_bucket", total, **labels, le=bound)
        out.sample(name + "_count", total, **labels)
        out.sample(name + "_sum", self.sum, **labels)


class TaskMetrics:
    """What the events say: outcomes, durations, refusals, deaths. `listen` goes to the event feed, `write` is a
    Source.
    """

    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, str], int] = {}
        self.durations: dict[str, Histogram] = {}
        self.others: dict[str, int] = {"refused": 0, "worker-died": 0, "keeper-died": 0, "callback-failed": 0}

    def listen(self, event: Event) -> None:
        """Counts one event."""
        if event.type == "ended":
            self._ended(event.data)
        elif event.type in self.others:
            self.others[event.type] += 1

    def _ended(self, data: Mapping[str, Any]) -> None:
        name = str(data.get("type", "unknown"))
        if name not in self.durations and len(self.durations) >= TYPES_SHOWN:
            name = "other"
        key = (name, str(data.get("outcome", "unknown")))
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        histogram = self.durations.setdefault(name, Histogram())
        started, ended = data.get("started_at"), data.get("ended_at")
        if started is not None and ended is not None:
            histogram.add(ended - started)

    def write(self, out: Exposition) -> None:
        """The families."""
        out.family("tasks_ended", "counter", "Tasks that ended, by type and outcome.")
        for (name, outcome), count in self.outcomes.items():
            out.sample("tasks_ended_total", count, type=name, outcome=outcome)
        out.family("task_duration_seconds", "histogram", "From start to end of a task, by type.")
        for name, histogram in self.durations.items():
            histogram.write(out, "task_duration_seconds", type=name)
        out.counter("tasks_refused", "Tasks that were not taken: queue full, or not valid.", self.others["refused"])
        out.counter("worker_deaths", "Workers that died by themselves.", self.others["worker-died"])
        out.counter("keeper_deaths", "Keepers that died and were replaced.", self.others["keeper-died"])
        out.counter("callback_failures", "Callbacks that raised.", self.others["callback-failed"])


def memory_bytes() -> int:
    """Resident memory of this process, from /proc: no disk is asked."""
    import os

    try:
        fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return int(os.read(fd, 128).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(fd)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
