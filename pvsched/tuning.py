"""What the settings mean to each room: from full names and plain values to what a room takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pvsched._core import lib
from pvsched.control.limits import Limits
from pvsched.objects.model import ObjectSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvsched.config.settings import Settings
    from pvsched.scheduler.scheduler import Scheduler

SLICE_NANOSECONDS = 100_000  # the least that the kernel gives


def policy(settings: Settings) -> Any:
    """The name of the policy: the schema admits the scheduler's own alone."""
    return settings.values["scheduler.policy"]


def set_lanes(
    scheduler: Scheduler, settings: Settings, limits: Mapping[str, int], before: Settings | None = None
) -> None:
    """Gives lanes what the sections [lanes.NAME] say. `limits` are those of lanes whose section names none.

    A section that stood in `before` and is gone leaves its lane as one that was never set.
    """
    for name in sorted(before.lanes().keys() - settings.lanes().keys() if before else ()):
        scheduler.set_lane(name, limit=limits.get(name, 0) or None)
    for name, keys in settings.lanes().items():
        weight = keys.get("weight", "medium")
        number = weight if weight in ("high", "medium", "low") else float(str(weight))
        limit = keys.get("limit", 0) or limits.get(name, 0)
        assert isinstance(limit, int)
        scheduler.set_lane(name, limit=limit or None, weight=number)


def object_settings(settings: Settings) -> ObjectSettings:
    """What the section [objects] says."""
    full = {name: f"objects.{name}" for name in ObjectSettings._fields}
    values: dict[str, Any] = {name: settings.values[key] for name, key in full.items() if key in settings.values}
    return ObjectSettings(**values)


def control_limits(settings: Settings) -> Limits:
    """What the section [control] says about clients."""
    return Limits(
        head=settings.integer("control.max_head"),
        head_time=settings.seconds("control.head_timeout"),
        body_stall=settings.seconds("control.body_timeout"),
        reply_stall=settings.seconds("control.reply_timeout"),
        connections=settings.integer("control.max_connections"),
        drain=settings.integer("control.drain_limit"),
        stream_buffer=settings.integer("control.stream_buffer"),
    )


def take_limits(limits: Limits, settings: Settings) -> None:
    """Changes `limits` in place: the connections share them."""
    wanted = control_limits(settings)
    for name in Limits.__slots__:
        setattr(limits, name, getattr(wanted, name))


def raise_file_limit(settings: Settings) -> tuple[int, int]:
    """Makes room for as many connections as may come, and for workers. Returns (descriptors allowed, wanted)."""
    wanted = settings.integer("control.max_connections") + 8 * settings.integer("scheduler.max_workers") + 64
    allowed = os.sysconf("SC_OPEN_MAX")
    if allowed >= wanted:
        return allowed, wanted
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed, wanted


def take_short_slice(settings: Settings) -> bool:
    """Asks for short turns on the processor, so that the main loop does not wait for one that computes (ADR 0011).

    For this thread alone: keeper and workers exist already. Returns whether the kernel took it; one before 6.12 takes
    it and does nothing.
    """
    return settings.flag("daemon.short_slice") and lib.pvs_short_slice(SLICE_NANOSECONDS) == 0
