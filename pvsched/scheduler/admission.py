"""From a `Task` to a place in the core's queue: rules, keys, lent descriptors, programs. Refuses, or returns an id."""

from __future__ import annotations

import errno
import os

from pvsched._core import ffi, lib
from pvsched.errors import BadTask, DuplicateKey, QueueFull, SchedulerError
from pvsched.scheduler.codec import ENCODE_ERRORS, encode
from pvsched.scheduler.outcome import CAUSE_NUMBERS
from pvsched.scheduler.payload import check_fds, check_key, exec_block, with_names
from pvsched.scheduler.registry import check_name
from pvsched.scheduler.rules import DEFAULTS, KINDS, LOCAL, Rules, make_spec, rules_key
from pvsched.scheduler.task import PER_TASK, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pvsched.scheduler.keepers import Keepers
    from pvsched.scheduler.keys import Group, Keys
    from pvsched.scheduler.lanes import Lanes
    from pvsched.scheduler.registry import Entry, Registry

DUPLICATES = ("refuse", "coalesce", "replace")
_MOST_RULES = 4096  # remembered (name, options) pairs; beyond that all are forgotten and made anew


class Admission:
    """Admits tasks to one core. `rules` is the memory that the scheduler's fast path reads."""

    def __init__(
        self, core: Any, clock: Callable[[], int], registry: Registry, lanes: Lanes, keepers: Keepers, keys: Keys
    ) -> None:
        self._core = core
        self._clock = clock
        self._registry = registry
        self._lanes = lanes
        self._keepers = keepers
        self._keys = keys
        self._version = registry.version
        self.executor = "pool"
        self.workers = 0
        self.rules: dict[object, Rules] = {}
        self._recent: dict[object, tuple[tuple[type, ...], Rules]] = {}

    def forget_rules(self) -> None:
        """What was derived is out of date: a registration, a change of workers."""
        self.rules.clear()
        self._recent.clear()
        self._version = self._registry.version

    @property
    def stale(self) -> bool:
        return self._version != self._registry.version

    # ---- rules --------------------------------------------------------------------------------------

    def recall(self, task: Task) -> Rules | None:
        """Return the rules if these very options were seen before: quicker than find_rules(), and may not know."""
        options = task.options
        if options is None:
            return self.rules.get(task.name)
        values = tuple(options.values())
        found = self._recent.get((task.name, tuple(options), values))
        if found is None or found[0] != tuple(map(type, values)):  # 1 == 1.0 == True, but only one is a priority
            return None
        return found[1]

    def find_rules(self, task: Task) -> Rules:
        """Return the rules of the task, making them on first use. Raises BadTask, UnknownName, SchedulerError."""
        if not isinstance(task, Task):
            raise BadTask(f"add_task takes a Task, not {type(task).__name__}")
        name = check_name(task.name)
        try:
            key: object = name if task.options is None else rules_key(name, task.options)
            rules = self.rules.get(key)
        except TypeError:
            raise BadTask(f"{name}: an option has a value that it cannot have: {task.options!r}") from None
        if rules is None:
            rules = self._make_rules(name, task.options or {})
            if len(self.rules) >= _MOST_RULES:
                self.forget_rules()
            self.rules[key] = rules
        if task.options and not task.special:
            self._remember(task.name, task.options, rules)
        return rules

    def _remember(self, name: str, options: dict[str, Any], rules: Rules) -> None:
        values = tuple(options.values())
        if len(self._recent) >= _MOST_RULES:
            self._recent.clear()
        self._recent[(name, tuple(options), values)] = (tuple(map(type, values)), rules)

    def _make_rules(self, name: str, options: dict[str, Any]) -> Rules:
        entry = self._registry.get(name)
        merged = {**DEFAULTS, **(entry.defaults if entry else {}), **options}
        executor = self._choose_executor(name, entry, merged)
        lane = self._lanes.number(merged["lane"])
        try:
            spec = make_spec(merged, executor, lane)
        except BadTask as error:
            raise BadTask(f"{name}: {error}", hint=error.hint) from None
        shared = {option: value for option, value in options.items() if option not in PER_TASK or option == "limits"}
        rules = Rules(name, entry, {**DEFAULTS, **(entry.defaults if entry else {}), **shared}, executor, spec)
        if executor == "exec":
            spec.keeper = self._keepers.for_programs(self.workers > 0)
            return rules
        if entry is None:
            entry = self._registry.find(name)  # raises UnknownName
        reference = entry.importable()
        rules.prefix = (reference or f"#{name}").encode() + b"\0\0"
        if executor not in LOCAL:
            spec.keeper = self._keepers.index(reference is not None, self.workers > 0)
        return rules

    def _choose_executor(self, name: str, entry: Entry | None, merged: dict[str, Any]) -> str:
        executor = merged["executor"]
        if executor is None:
            executor = "exec" if entry is None or _is_program(entry) else self.executor
            if entry is None and not merged["argv"]:
                self._registry.find(name)  # raises UnknownName
        if not isinstance(executor, str) or executor not in KINDS:
            raise BadTask(f"{name}: executor must be one of {', '.join(KINDS)} or None, not {executor!r}")
        if (executor == "exec") != bool(merged["argv"]):
            raise BadTask(f"{name}: argv goes with executor='exec', and nothing else does")
        if merged["limits"] and executor in LOCAL and self.workers > 0:
            raise BadTask(
                f"{name}: limits cannot be undone, so a task with limits cannot run {executor}",
                hint="use executor='fork', 'pool' or 'exec'",
            )
        return "fork" if executor == "pool" and merged["limits"] else executor

    # ---- the slower way in: keys, descriptors, programs -----------------------------------------------

    def submit_special(self, task: Task, rules: Rules) -> int:
        """Submit a task that has a key, descriptors or a program. Returns its id, or raises."""
        own = {**rules.merged, **task.options} if task.options else rules.merged
        key, mode = own["key"], own["on_duplicate"]
        if mode not in DUPLICATES:
            raise BadTask(f"{rules.name}: on_duplicate must be one of {', '.join(DUPLICATES)}, not {mode!r}")
        if key is None:
            return self._submit(task, rules, own, 0)
        check_key(key)
        met = self._keys.newest(key)
        if met is None:
            id = self._submit(task, rules, own, 0)
            self._keys.hold(key, id)
            return id
        if mode == "coalesce" and not met.cancelled:
            return self._share(task, rules, met)
        if mode != "refuse":
            return self._replace(task, rules, own, met)
        raise DuplicateKey(f"{rules.name}: task {met.id} holds the key {key!r}", holder=met.id)

    def _share(self, task: Task, rules: Rules, met: Group) -> int:
        """A place in the queue that never starts; the holder's end is its end."""
        self.encode_data(task)  # refused like any other
        spec = ffi.new("struct pvs_spec *", {"kind": lib.PVS_INLINE, "flags": lib.PVS_HOLD, "ionice": -1})
        spec.lane, spec.priority = rules.spec.lane, rules.spec.priority
        id = self.place(spec, b"", (), rules.name)
        self._keys.share(met, id)
        return id

    def _replace(self, task: Task, rules: Rules, own: dict[str, Any], met: Group) -> int:
        """Wait behind whatever has the key now; what only waits itself is cancelled. Released at the holder's end."""
        id = self._submit(task, rules, own, lib.PVS_HOLD)
        if self._waits(met.id):
            self.cancel_core(met.id, CAUSE_NUMBERS["replaced"])
        self._keys.wait(met.key, id)
        return id

    def _waits(self, id: int) -> bool:
        info = ffi.new("struct pvs_task_info *")
        if lib.pvs_task_info(self._core, id, info) < 0:
            return False
        return bool(lib.PVS_ST_HELD <= info.state <= lib.PVS_ST_OFFERED)

    def _submit(self, task: Task, rules: Rules, own: dict[str, Any], flags: int) -> int:
        fds = check_fds(own["fds"]) if own["fds"] else {}
        text = self.encode_data(task)
        spec = rules.spec
        if rules.executor == "exec":
            block = exec_block(own["argv"], own["env"], own["cwd"], fds)
            payload, spec.exec_bytes = block + text, len(block)
        elif fds:
            payload = with_names(rules.prefix[:-2], fds, text)
        else:
            payload = rules.prefix + text
        spec.flags |= flags
        try:
            return self.place(spec, payload, tuple(fds.values()), rules.name)
        finally:
            spec.flags &= ~flags

    def encode_data(self, task: Task) -> bytes:
        """Return the task's data as JSON. Raises BadTask."""
        try:
            return encode(task.data)
        except ENCODE_ERRORS as error:
            raise BadTask(f"{task.name}: data is not what JSON can say: {error}") from None

    def place(self, spec: Any, payload: bytes, fds: tuple[int, ...], name: str) -> int:
        """Put it into the core's queue; the core copies the payload and duplicates the descriptors."""
        numbers = ffi.new("int[]", fds) if fds else ffi.NULL
        id = int(lib.pvs_submit(self._core, spec, self._clock(), payload, len(payload), numbers, len(fds)))
        if id < 0:
            raise self.refusal(-id, name)
        return id

    def refusal(self, number: int, name: str) -> SchedulerError:
        """Return what to raise for the core's errno."""
        if number == errno.ENOBUFS:
            stats = ffi.new("struct pvs_stats *")
            lib.pvs_get_stats(self._core, stats)
            waiting = stats.waiting + stats.held
            return QueueFull(f"{name}: the queue is full, {waiting} tasks wait", waiting=waiting)
        if number == errno.EFBIG:
            return BadTask(f"{name}: the data can never fit the queue", hint="open Scheduler(payload_bytes=...)")
        if number == errno.EBADF:
            return BadTask(f"{name}: fds names a descriptor that is not open")
        if number in (errno.EMFILE, errno.ENFILE):
            text = "no descriptor is left to lend one"
            return SchedulerError(f"{name}: {text}: {os.strerror(number)}", code="no-descriptors")
        return SchedulerError(f"{name}: the core refuses the task: {os.strerror(number)}")

    def cancel_core(self, id: int, cause: int) -> bool:
        """Cancel the core's task. Returns whether it was alive."""
        return int(lib.pvs_cancel(self._core, id, self._clock(), cause)) >= 0


def _is_program(entry: Entry) -> bool:
    return entry.function is None and entry.reference is None
