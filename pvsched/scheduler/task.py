"""A task: what to run, with which data, and under which rules."""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; importing typing costs every worker 5 ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal, TypedDict

    from typing_extensions import Unpack

    Executor = Literal["inline", "thread", "fork", "pool", "exec"]
    DefaultExecutor = Literal["inline", "thread", "fork", "pool"]  # of a scheduler; exec is for tasks that have argv
    Document = dict[str, Any]
    Callback = Callable[[Document], object]

    class TaskOptions(TypedDict, total=False):
        """The options of a task; the same ones are the defaults of a registered name. Times are in seconds."""

        priority: int
        timeout: float | None
        queue_timeout: float | None
        on_timeout: Literal["kill", "graceful"]
        grace: float
        lane: str
        key: str | None
        on_duplicate: Literal["refuse", "coalesce", "replace"]
        executor: Executor | None
        result_limit: int
        fds: Mapping[str, int] | None
        limits: Mapping[str, float | str] | None
        survive: bool
        argv: Sequence[str] | None
        env: Mapping[str, str] | None
        cwd: str | None
        output_limit: int


# Options whose values differ from one task to the next: they have no part in the rules that a name's tasks share.
PER_TASK = frozenset({"key", "on_duplicate", "fds", "argv", "env", "cwd", "limits"})

OPTIONS = PER_TASK | {
    "priority",
    "timeout",
    "queue_timeout",
    "on_timeout",
    "grace",
    "lane",
    "executor",
    "result_limit",
    "survive",
    "output_limit",
}


class Task:
    """One piece of work for `Scheduler.add_task`, which checks the values; it may be added any number of times.

    `name` is the registered name, `data` anything that JSON can say (read at `add_task`). An option that is not given
    is what the name was registered with, else this default:

    - `priority` 5: 0 to 9, 0 most urgent
    - `timeout` None: seconds from dispatch; then the task is killed with all it started
    - `queue_timeout` None: seconds that it may wait; then `expired`
    - `on_timeout` "kill": or "graceful": SIGTERM, `grace` seconds, SIGKILL
    - `grace` 5: seconds between SIGTERM and SIGKILL, for timeouts and for cancels
    - `lane` "default": 1-128 characters, made on first use
    - `key` None: 1-512 characters; tasks with one key exclude each other
    - `on_duplicate` "refuse": or "coalesce", "replace"; what a task does that meets its key taken
    - `executor`, the scheduler's: inline, thread, fork, pool, exec
    - `result_limit` 1 MiB: bytes of JSON
    - `fds` none: {name: descriptor}, at most 16; lent, and duplicated at once
    - `limits` none: {"nice", "ionice", "memory" in bytes, "cpu" in seconds, "files"}
    - `survive` False: whether what it leaves behind lives on
    - `argv`, `env`, `cwd`: a program instead of a handler; `env` is all of its environment
    - `output_limit` 64 KiB: bytes kept of its stdout, and of its stderr
    """

    __slots__ = ("data", "name", "options", "special")

    def __init__(self, name: str, data: Any = None, **options: Unpack[TaskOptions]) -> None:
        self.name = name
        self.data = data
        self.options: dict[str, Any] | None
        self.special: bool
        if options:
            if not OPTIONS.issuperset(options):
                raise TypeError(f"Task() got an unexpected option {sorted(options.keys() - OPTIONS)[0]!r}")
            self.options = options  # type: ignore[assignment]
            self.special = not PER_TASK.isdisjoint(options)
        else:
            self.options = None
            self.special = False

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in (self.options or {}).items())
        return f"Task({self.name!r}, {self.data!r}{options})"
