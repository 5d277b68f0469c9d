"""The daemon: wires loop, scheduler, objects and control to each other, and holds nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pvsched import __version__
from pvsched.control.caller import Callers
from pvsched.control.endpoints.config import ConfigEndpoints
from pvsched.control.endpoints.device import add_device
from pvsched.control.endpoints.events import EventFeed
from pvsched.control.endpoints.health import Health
from pvsched.control.endpoints.metrics import MetricsEndpoint, TaskMetrics
from pvsched.control.endpoints.objects import ObjectEndpoints
from pvsched.control.endpoints.sources import write_control, write_objects, write_process, write_scheduler
from pvsched.control.endpoints.tasks import TaskEndpoints, TaskHistory
from pvsched.control.http import parser_is_sound
from pvsched.control.routes import Router
from pvsched.control.server import Server
from pvsched.drain import Drain
from pvsched.errors import PvschedError
from pvsched.log import LEVELS, Log
from pvsched.loop import Loop
from pvsched.objects import controller as objects_controller
from pvsched.reload import Reload
from pvsched.reload import register as register_reload
from pvsched.scheduler.registry import default_registry
from pvsched.scheduler.scheduler import Scheduler
from pvsched.signals import Signals
from pvsched.socket_file import SocketFile
from pvsched.state import StateDirectory
from pvsched.tuning import (
    control_limits,
    object_settings,
    policy,
    raise_file_limit,
    set_lanes,
    take_limits,
    take_short_slice,
)

if TYPE_CHECKING:
    from pvsched.config.settings import Settings
    from pvsched.notify import ServiceManager
    from pvsched.scheduler.events import Event
    from pvsched.scheduler.keeper import Keeper

# Below this priority a task is background work of our own, which shut-down does not wait for.
BACKGROUND = 9
TASK_LEVELS = {name: name for name in LEVELS} | {"warn": "warning", "critical": "fatal"}
TROUBLES = frozenset(("worker-died", "keeper-died", "callback-failed"))


class Daemon:
    """One running daemon.

    `open()` raises PvschedError when it cannot start, and leaves nothing behind then. `run()` returns when it has
    been told to stop and everything is put away. `keeper` was forked before this module was imported. `path` and
    `arguments` are what the settings were loaded with, for the next reload.
    """

    def __init__(
        self,
        settings: Settings,
        keeper: Keeper,
        service: ServiceManager,
        *,
        path: str | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.service = service
        self.log = Log(settings.text("log.level"), settings.text("log.format"))
        self.loop = Loop(self._broken)
        self._keeper = keeper
        self._told = False
        self._path = path
        self._arguments = dict(arguments or {})
        self._undo: list[Callable[[], None]] = [self.log.close, self.loop.close]

    def open(self) -> None:
        """Takes the state directory and the socket, opens the scheduler, and begins to listen. Blocks for some
        milliseconds.
        """
        try:
            self._open_state()
            self._open_scheduler()
            self._open_control()
            self._open_signals()
        except PvschedError:
            self.close()
            raise
        except OSError as problem:
            self.close()
            where = f" ({problem.filename})" if problem.filename else ""
            hint = "check the path, its owner, the space left, and the limit of open files"
            raise PvschedError(f"cannot start: {problem.strerror}{where}", code="system", hint=hint) from problem

    def run(self) -> None:
        """Serves until a signal says otherwise, and puts everything away."""
        try:
            self.health.state = "running"
            self._say_ready()
            self._feed_watchdog()
            for warning in self.settings.warnings:
                self.log.warning(warning)
            self.loop.run()
        finally:
            self.close()

    def close(self) -> None:
        """Puts away what was opened, the last first. Idempotent."""
        while self._undo:
            self._undo.pop()()

    # -- opening -------------------------------------------------------------------------------------------------------
    def _open_state(self) -> None:
        settings = self.settings
        self.log.stopped = lambda: self.loop.add_writer(self.log.fileno(), self._flush_log)
        self.state = StateDirectory.open(settings.text("daemon.state"))
        self._undo.append(self.state.close)
        self.socket_file = self._listening()
        self._undo += [self.socket_file.close, self.socket_file.remove]

    def _listening(self) -> SocketFile:
        """The control socket: the one that the service manager passed, or one of our own."""
        settings = self.settings
        passed = sorted(self.service.sockets, key=lambda found: found[1] != "pv-ctrl")
        for fd, name in passed[1:]:
            self.log.warning("a socket that nobody needs was passed", fd=fd, name=name)
            os.close(fd)
        if passed:
            return SocketFile.passed(passed[0][0])
        return SocketFile.listen(
            settings.text("control.socket"), settings.integer("control.mode"), settings.text("control.group")
        )

    def _open_scheduler(self) -> None:
        settings = self.settings
        take_short_slice(settings)
        objects_controller.register(default_registry)
        register_reload(default_registry)
        self.scheduler = Scheduler(
            workers=settings.integer("scheduler.workers"),
            max_workers=settings.integer("scheduler.max_workers"),
            executor="pool",
            policy=policy(settings),
            capacity=settings.integer("scheduler.capacity"),
            lanes=settings.integer("scheduler.lanes"),
            batch=settings.integer("scheduler.batch"),
            spares=settings.integer("scheduler.spares"),
            inline_budget=settings.integer("scheduler.inline_budget"),
            payload_bytes=settings.integer("scheduler.payload_bytes") or None,
            history=settings.integer("scheduler.history"),
            keeper=self._keeper,
            cgroup=self._cgroup(),
        )
        self._undo.append(self._close_scheduler)
        self.history = TaskHistory(self.scheduler, settings.integer("scheduler.history"))
        self.objects = objects_controller.Objects(
            self.scheduler, settings.text("objects.directory"), object_settings(settings), tell=self._tell
        )
        self._undo.insert(0, self.objects.close)  # the scheduler's tasks have its directory: it goes after them
        self._set_lanes(settings)
        self.loop.add_reader(self.scheduler.fileno(), self._turn)

    def _cgroup(self) -> str | None:
        """The folder of the tasks' cgroups. A device comes up without one that `auto` could not have, and says so."""
        setting = self.settings.text("scheduler.cgroup")
        if not setting:
            return None
        from pvsched.delegation import folder_for_tasks

        try:
            return folder_for_tasks(setting)
        except PvschedError as problem:
            self.log.warning(str(problem), hint=problem.hint)
            return None

    def _open_control(self) -> None:
        settings = self.settings
        if not parser_is_sound():
            self.log.error("httptools refuses good requests here", hint="pvsched doctor tells how to build it")
        self.feed = EventFeed(
            self.scheduler,
            self.loop,
            buffer=settings.integer("events.buffer"),
            waiters=settings.integer("events.waiters"),
            max_wait=settings.seconds("events.max_wait"),
        )
        task_metrics = TaskMetrics()
        self.feed.listeners += [self.history.listen, task_metrics.listen, self._hear]
        self.health = Health(__version__, time.monotonic)
        self.config = ConfigEndpoints(settings)
        allowed, wanted = raise_file_limit(settings)
        if allowed < wanted:
            self.log.warning("fewer files than control.max_connections needs", allowed=allowed, wanted=wanted)
        self.callers = Callers(host_cgroups=settings.texts("control.host_cgroups"))
        router = Router()
        self.server = Server(self.loop, router, self.callers, control_limits(settings), self.log)
        self._undo.append(self.server.close)
        endpoints: tuple[Any, ...] = (
            TaskEndpoints(self.scheduler, self.history),
            self.feed,
            self.health,
            self.config,
            ObjectEndpoints(self.objects),
            MetricsEndpoint(
                (
                    task_metrics.write,
                    lambda out: write_scheduler(out, self.scheduler),
                    lambda out: write_objects(out, self.objects),
                    lambda out: write_control(out, self.server, self.feed),
                    lambda out: write_process(out, self.health, self.state.flash, self.log),
                )
            ),
        )
        for one in endpoints:
            one.add_to(router)
        add_device(router)
        self.server.listen(self.socket_file.sock)
        self._link()
        self.objects.start(lambda: None)

    def _link(self) -> None:
        link = self.settings.text("control.link")
        if link:
            why = self.socket_file.make_link(link)
            if why:
                self.log.warning("no link for the shell clients", link=link, why=why)

    def _open_signals(self) -> None:
        self.reload = Reload(
            self.scheduler,
            self.log,
            self.settings,
            path=self._path,
            arguments=self._arguments,
            apply=self._apply,
            done=self._say_ready,
        )
        self.drain = Drain(
            self.loop,
            self.log,
            self.service,
            begin=self._stop_taking,
            busy=self._busy,
            timeout=lambda: self.settings.seconds("daemon.drain_timeout"),
        )
        callbacks: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self.drain.request,
            signal.SIGINT: self.drain.request,
            signal.SIGHUP: self._reload,
        }
        signals = Signals(callbacks)
        self._undo.append(signals.close)
        self.loop.add_reader(signals.fileno(), signals.read)

    # -- running -------------------------------------------------------------------------------------------------------
    def _turn(self) -> None:
        """The scheduler can make progress."""
        self.scheduler.run()
        self.history.take()
        self.feed.pump()
        self.drain.check()

    def _say_ready(self) -> None:
        where, workers = self.socket_file.path, self.settings.integer("scheduler.workers")
        self.service.ready(f"pvsched {__version__} on {where}, {workers} workers")
        if not self._told:
            self._told = True
            self.log.info("ready", version=__version__, socket=where, state=self.state.path, workers=workers)

    def _feed_watchdog(self) -> None:
        interval = self.service.interval
        if interval is not None and self.settings.flag("daemon.watchdog"):
            self.service.alive()
            self.loop.call_later(interval, self._feed_watchdog)

    def _flush_log(self) -> None:
        if self.log.flush():
            self.loop.remove_writer(self.log.fileno())

    def _tell(self, event: str, **fields: object) -> None:
        """What objects have to say."""
        tell = {"objects-failed": self.log.error, "object-rotten": self.log.warning}.get(event, self.log.info)
        tell(event, **fields)

    def _hear(self, event: Event) -> None:
        """What the scheduler has to say that a person may want to read afterwards."""
        if event.type == "log":
            tell = TASK_LEVELS.get(str(event.data.get("level")), "info")
            getattr(self.log, tell)(str(event.data.get("text")), task=event.id)
        elif event.type in TROUBLES:
            level = self.log.error if event.type in ("keeper-died", "callback-failed") else self.log.warning
            level(event.type, task=event.id, **{name: value for name, value in event.data.items() if name != "task"})

    def _broken(self, problem: BaseException) -> None:
        """A callback raised: a defect of ours, which must not take the daemon down."""
        import traceback

        text = "".join(traceback.format_exception(problem)[-4:])
        self.log.error("a callback failed", problem=f"{type(problem).__name__}: {problem}", trace=text)

    def _set_lanes(self, settings: Settings, before: Settings | None = None) -> None:
        """After the objects, which give their own lane what holds without a section [lanes.objects]."""
        set_lanes(self.scheduler, settings, {objects_controller.LANE: self.objects.lane_limit}, before)

    # -- reload --------------------------------------------------------------------------------------------------------
    def _reload(self) -> None:
        self.service.reloading()
        self.reload.request()

    def _apply(self, settings: Settings, changed: list[str]) -> None:
        """Takes new settings; what runs and waits is not touched."""
        before, self.settings = self.settings, settings
        self.scheduler.set_workers(settings.integer("scheduler.workers"))
        self.scheduler.set_policy(policy(settings))
        self.objects.apply(object_settings(settings))
        self._set_lanes(settings, before)
        take_limits(self.server.limits, settings)
        self.callers.set_host_cgroups(settings.texts("control.host_cgroups"))
        self.feed.waiters = settings.integer("events.waiters")
        self.feed.max_wait = settings.seconds("events.max_wait")
        self.log.set_level(settings.text("log.level"))
        self.config.settings = settings

    # -- stopping ------------------------------------------------------------------------------------------------------
    def _stop_taking(self) -> None:
        """New clients find no socket; those that wait for events are answered; the rest may finish."""
        self.health.state = "draining"
        self.socket_file.remove()
        self.feed.close()
        self.server.drain(self.drain.check)

    def _close_scheduler(self) -> None:
        """What still runs gets a moment to put things away, unless somebody is in a hurry."""
        hurried = hasattr(self, "drain") and self.drain.hurried
        self.scheduler.close(0.0 if hurried else 1.0)

    def _busy(self) -> tuple[int, int]:
        """(connections with a request, tasks) that shut-down waits for."""
        if not self.scheduler.pending:
            return self.server.connections, 0
        return self.server.connections, sum(1 for task in self.scheduler.tasks() if task["priority"] < BACKGROUND)
