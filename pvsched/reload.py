"""SIGHUP: the configuration is read again, in a worker, and applied in the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pvsched.config.settings import Settings
from pvsched.errors import PvschedError
from pvsched.scheduler.task import Task

if TYPE_CHECKING:
    from pvsched.log import Log
    from pvsched.scheduler.registry import Registry
    from pvsched.scheduler.scheduler import Scheduler

NAME = "config_read"
LANE = "daemon"
TIMEOUT = 30.0


def register(registry: Registry) -> None:
    """Makes the task known. A process of its own: the TOML parser is not to stay in a worker of the pool."""
    registry.register(
        NAME, "pvsched.config.load:read_settings", executor="fork", lane=LANE, priority=0, timeout=TIMEOUT
    )


class Reload:
    """Main loop only. `apply` takes the new settings; `done` is called after each reload, whether it changed anything
    or not.

    A file with any finding changes nothing. A second SIGHUP during a reload makes another one after it.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        log: Log,
        settings: Settings,
        *,
        path: str | None,
        arguments: Mapping[str, str],
        apply: Callable[[Settings, list[str]], None],
        done: Callable[[], None],
    ) -> None:
        self.settings = settings
        self._scheduler = scheduler
        self._log = log
        self._path = path
        self._arguments = dict(arguments)
        self._apply = apply
        self._done = done
        self._running = False
        self._again = False

    def request(self) -> None:
        """Begins a reload, or notes that another one is wanted."""
        if self._running:
            self._again = True
            return
        data = {"path": self._path, "arguments": self._arguments, "fixed": self.settings.fixed()}
        try:
            self._scheduler.add_task(Task(NAME, data), self._read)
        except PvschedError as problem:
            self._log.error("cannot reload the configuration now", why=str(problem))
            self._done()
            return
        self._running = True

    def _read(self, document: dict[str, Any]) -> None:
        self._running = False
        answer = document["data"] if document["outcome"] == "succeeded" else None
        if answer is None:
            self._log.error(
                "the configuration could not be read", outcome=document["outcome"], error=document.get("error")
            )
        elif "problems" in answer:
            for problem in answer["problems"]:
                self._log.error(
                    "configuration refused: the old one stays",
                    place=problem["file"], line=problem["line"], key=problem["key"],
                    why=problem["message"], next=problem["hint"],
                )  # fmt: skip
        else:
            self._take(Settings.from_document(answer), answer["restart"])
        self._done()
        if self._again:
            self._again = False
            self.request()

    def _take(self, settings: Settings, restart: list[str]) -> None:
        changed = self.settings.differing(settings)
        self.settings = settings
        self._apply(settings, changed)
        for warning in settings.warnings:
            self._log.warning(warning)
        self._log.info("configuration reloaded", changed=changed)
        if restart:
            self._log.warning("some new settings need a restart", keys=restart)
