"""Looks at live tasks and at the whole: what runs, what waits, and why. Changes nothing."""

from __future__ import annotations

from pvsched._core import ffi, lib
from pvsched.errors import SchedulerError
from pvsched.scheduler.outcome import OUTCOMES
from pvsched.scheduler.rules import KIND_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pvsched.scheduler.collector import Collector
    from pvsched.scheduler.keys import Keys
    from pvsched.scheduler.lanes import Lanes
    from pvsched.scheduler.local import Local
    from pvsched.scheduler.rules import Rules
    from pvsched.scheduler.task import Callback

STATES = ("ended", "queued", "queued", "queued", "starting", "running", "stopping")
_HELD, _QUEUED, _OFFERED, _RUNNING = 1, 2, 3, 5
_COUNTS = (
    *("submitted", "started", "ended", "kills", "timeouts", "wakeups", "spawned", "batched"),
    *("waiting", "held", "running", "workers", "processes", "idle", "spares", "capacity", "payload_blocks_free"),
)


class NoTask(SchedulerError, LookupError):
    """No live task has this id."""

    code = "no-task"
    hint = "it has ended; its document went to its callback (and to history, if the scheduler keeps one)"


class Inspection:
    """Reads the core's records of one scheduler."""

    def __init__(
        self,
        core: Any,
        live: dict[int, tuple[Rules, Callback | None]],
        keys: Keys,
        lanes: Lanes,
        local: Local,
        collector: Collector,
    ) -> None:
        self._core = core
        self._live = live
        self._keys = keys
        self._lanes = lanes
        self._local = local
        self._collector = collector
        self._info = ffi.new("struct pvs_task_info *")
        self._stats = ffi.new("struct pvs_stats *")
        self._lane = ffi.new("struct pvs_lane_info *")

    def look(self, id: int) -> Any:
        """Return the core's `struct pvs_task_info *`, valid until the next look, or None."""
        return self._info if lib.pvs_task_info(self._core, id, self._info) >= 0 else None

    def describe(self, id: int) -> dict[str, Any] | None:
        """Return what is known of a live task, without why it waits."""
        record = self._live.get(id)
        if record is None:
            return None
        group = self._keys.of(id)
        info = self.look(id if group is None else group.id)
        if info is None:
            return None
        described = {
            "id": id,
            "type": record[0].name,
            "state": STATES[info.state],
            "lane": record[0].lane,
            "priority": info.priority,
            "executor": KIND_NAMES[info.kind],
            "queued_at": info.queued_ns / 1e9,
            "started_at": info.started_ns / 1e9 if info.started_ns else None,
            "deadline": info.deadline_ns / 1e9 if info.deadline_ns else None,
            "worker": info.pid or None,
            "progress": self._collector.progress.get(id),
        }
        if group is not None:
            described["key"] = group.key
            if group.id != id:
                described["shares"] = group.id
        return described

    def explain(self, id: int) -> dict[str, Any]:
        """Return the description, and `reasons` with `text`: what keeps it waiting, the most telling first."""
        described = self.describe(id) if isinstance(id, int) else None
        if described is None:
            raise NoTask(f"no live task has the id {id!r}")
        reasons = self._reasons(id, described)
        described["ahead"] = self._info.ahead
        described["reasons"] = reasons
        described["text"] = "; ".join(reason["text"] for reason in reasons) or f"it is {described['state']}"
        return described

    def _reasons(self, id: int, described: dict[str, Any]) -> list[dict[str, Any]]:
        info, reasons = self._info, []
        if "shares" in described:
            text = f"it shares the outcome of task {described['shares']}, which has the key {described['key']!r}"
            reasons.append({"reason": "shared", "id": described["shares"], "text": text})
        if info.state == _HELD:
            holder = self._keys.holder(described["key"]) if "key" in described else None
            other = holder.id if holder else None
            reasons.append({"reason": "key", "id": other, "text": f"task {other} holds its key until it ends"})
        if info.state == _OFFERED:
            reasons.append({"reason": "sent-ahead", "text": f"worker {info.pid} takes it next"})
        if info.state != _QUEUED:
            return reasons
        if info.lane_full:
            text = f"its lane {described['lane']!r} is at its limit"
            reasons.append({"reason": "lane-limit", "text": text})
        if info.no_worker:
            reasons.append({"reason": "no-worker", "text": "every worker's place is taken"})
        if info.ahead:
            text = "1 task goes before it" if info.ahead == 1 else f"{info.ahead} tasks go before it"
            reasons.append({"reason": "ahead", "count": info.ahead, "text": text})
        return reasons or [{"reason": "next", "text": "it starts with the next run()"}]

    def tasks(self, limit: int) -> list[dict[str, Any]]:
        """Return descriptions of at most `limit` live tasks: those that run, then those that wait, by id."""
        running = self._running()
        found: list[dict[str, Any]] = []
        for ids in (running, (id for id in self._live if id not in running)):  # it is in order: ids only grow
            for id in ids:
                if len(found) >= limit:
                    return found
                described = self.describe(id)
                if described is not None:
                    found.append(described)
        return found

    def _running(self) -> dict[int, None]:
        """Return the ids of what runs, in order; the core is asked, for it may stand behind a million that wait."""
        count = lib.pvs_running(self._core, ffi.NULL, 0)
        ids = ffi.new("uint64_t[]", count)
        lib.pvs_running(self._core, ids, count)
        return dict.fromkeys(sorted(id for work in {*ids, *self._local.running} for id in self._keys.sharers(work)))

    def stats(self) -> dict[str, Any]:
        """Return the core's counts and ours."""
        core = self._stats
        lib.pvs_get_stats(self._core, core)
        result: dict[str, Any] = {name: getattr(core, name) for name in _COUNTS}
        result["oldest_queued_at"] = core.oldest_queued_ns / 1e9 if core.oldest_queued_ns else None
        result["lateness"] = {
            "max": core.late_max_ns / 1e9,
            "sum": core.late_sum_ns / 1e9,
            "count": core.late_count,
        }
        result["outcomes"] = dict(zip(OUTCOMES, self._collector.outcomes))
        result["run_seconds"] = self._collector.run_ns / 1e9
        result["lanes"] = {name: self._lane_stats(number) for number, name in self._lanes}
        return result

    def _lane_stats(self, number: int) -> dict[str, Any]:
        lane = self._lane
        if lib.pvs_lane_info(self._core, number, lane) < 0:
            return {}
        return {
            "waiting": list(lane.waiting),
            "running": lane.running,
            "limit": lane.limit or None,
            "weight": lane.weight_milli / 1000,
        }
