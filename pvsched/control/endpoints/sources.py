"""What `/metrics` asks beside the tasks' own figures: scheduler, objects, control socket, the process itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pvsched.control.endpoints.metrics import Exposition, memory_bytes

if TYPE_CHECKING:
    from pvsched.control.endpoints.events import EventFeed
    from pvsched.control.endpoints.health import Health
    from pvsched.control.server import Server
    from pvsched.objects.controller import Objects
    from pvsched.scheduler.scheduler import Scheduler


def write_scheduler(out: Exposition, scheduler: Scheduler) -> None:
    """Queue, workers, kills and lateness."""
    stats = scheduler.stats()
    oldest = stats["oldest_queued_at"]
    out.family("tasks_waiting", "gauge", "Tasks that wait, by lane and priority.")
    for lane, found in stats["lanes"].items():
        _write_waiting(out, lane, found["waiting"])
    running = {lane: found["running"] for lane, found in stats["lanes"].items()}
    out.labelled("tasks_running", "gauge", "Tasks that run, by lane.", "lane", running)
    out.gauge(
        "tasks_longest_wait_seconds",
        "How long the task that was submitted first has waited.",
        max(0.0, time.monotonic() - oldest) if oldest is not None else 0,
    )
    out.gauge("tasks_capacity", "Tasks that may wait and run.", stats["capacity"])
    out.counter("tasks_submitted", "Tasks that were taken.", stats["submitted"])
    out.counter("tasks_started", "Tasks that started.", stats["started"])
    out.counter("tasks_batched", "Tasks that were sent ahead to a busy worker.", stats["batched"])
    out.counter("timeouts", "Tasks that reached their deadline.", stats["timeouts"])
    out.counter("kills", "Signals sent to end tasks.", stats["kills"])
    _write_lateness(out, stats["lateness"])
    out.gauge("workers", "Tasks that may run at once.", stats["workers"])
    out.gauge("worker_processes", "Processes that the keeper has made and that live.", stats["processes"])
    out.gauge("workers_idle", "Workers without a task.", stats["idle"])
    out.counter("spawned", "Processes made so far.", stats["spawned"])
    out.counter("wakeups", "Times that the scheduler was woken by something to do.", stats["wakeups"])
    out.counter("task_events_missed", "Events lost by subscribers that were too slow.", stats["events_missed"])


def _write_waiting(out: Exposition, lane: str, waiting: list[int]) -> None:
    """Priorities at which nothing waits are left out, but for one, so that every lane is there."""
    for priority, count in enumerate(waiting):
        if count or priority == 5:
            out.sample("tasks_waiting", count, lane=lane, priority=priority)


def _write_lateness(out: Exposition, lateness: dict[str, Any]) -> None:
    out.gauge("kill_lateness_max_seconds", "The longest from a deadline to what was done for it.", lateness["max"])
    out.family("kill_lateness_seconds", "summary", "From a deadline to what was done for it: signal or expiry.")
    out.sample("kill_lateness_seconds_count", lateness["count"])
    out.sample("kill_lateness_seconds_sum", lateness["sum"])


def write_objects(out: Exposition, objects: Objects) -> None:
    """The store."""
    out.gauge("objects", "Objects in the store.", len(objects.index))
    out.gauge("objects_bytes", "Their sizes together.", objects.index.total())


def write_control(out: Exposition, server: Server, feed: EventFeed) -> None:
    """The control socket."""
    out.gauge("connections", "Connections that are open.", server.connections)
    out.labelled("requests", "counter", "Answers, by status.", "status", dict(sorted(server.requests.items())))
    out.gauge("event_waiters", "Clients that wait for events, or stay for them.", feed.watching)
    out.counter("events_missed", "Events that the feed of /events lost.", feed.missed)


def write_process(out: Exposition, health: Health, flash: Any, log: Any) -> None:
    """The daemon itself. `flash` counts its own writes, `log` what it dropped."""
    out.family("build", "info", "Version.")
    out.sample("build_info", 1, version=health.version)
    out.gauge("uptime_seconds", "Since start.", health.uptime)
    out.gauge("memory_bytes", "Resident memory of the main process.", memory_bytes())
    out.counter("flash_writes", "Writes of the daemon's own to its state directory.", flash.writes)
    out.counter("flash_written_bytes", "Their bytes.", flash.bytes)
    out.counter("log_records", "Records written to the log.", log.written)
    out.gauge("log_waiting", "Records that wait for the log's reader.", log.waiting)
