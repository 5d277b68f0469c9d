"""pvsched: tasks with priorities, deadlines and a kill that works, run beside a main loop that never blocks.

The public names are imported on first use: a worker that needs only `pvsched.task` does not load the scheduler.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; importing typing costs every worker 5 ms

if TYPE_CHECKING:
    from pvsched.errors import (
        BadSetting,
        BadTask,
        Closed,
        DuplicateKey,
        PvschedError,
        QueueFull,
        SchedulerError,
        UnknownName,
    )
    from pvsched.scheduler.context import Context
    from pvsched.scheduler.events import Event, Subscription
    from pvsched.scheduler.registry import Registry, register, task
    from pvsched.scheduler.scheduler import Scheduler
    from pvsched.scheduler.task import Task

__version__ = "0.1.0"

__all__ = [
    "BadSetting",
    "BadTask",
    "Closed",
    "Context",
    "DuplicateKey",
    "Event",
    "PvschedError",
    "QueueFull",
    "Registry",
    "Scheduler",
    "SchedulerError",
    "Subscription",
    "Task",
    "UnknownName",
    "__version__",
    "register",
    "task",
]

_HOMES = {
    "BadSetting": "pvsched.errors",
    "BadTask": "pvsched.errors",
    "Closed": "pvsched.errors",
    "Context": "pvsched.scheduler.context",
    "DuplicateKey": "pvsched.errors",
    "Event": "pvsched.scheduler.events",
    "PvschedError": "pvsched.errors",
    "QueueFull": "pvsched.errors",
    "Registry": "pvsched.scheduler.registry",
    "Scheduler": "pvsched.scheduler.scheduler",
    "SchedulerError": "pvsched.errors",
    "Subscription": "pvsched.scheduler.events",
    "Task": "pvsched.scheduler.task",
    "UnknownName": "pvsched.errors",
    "register": "pvsched.scheduler.registry",
    "task": "pvsched.scheduler.registry",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pvsched' has no attribute {name!r}")
    import sys

    __import__(home)
    value: object = getattr(sys.modules[home], name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
