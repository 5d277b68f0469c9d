"""The keepers of one scheduler: which task needs which, made on first need, replaced when one dies."""

from __future__ import annotations

import os
import time

from pvsched._core import lib
from pvsched.errors import SchedulerError
from pvsched.scheduler.keeper import Keeper, exec_keeper, fork_from_caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pvsched.scheduler.registry import Registry


_FIRST_DELAY_NS, _MOST_DELAY_NS = 10_000_000, 1_000_000_000  # between two tries to replace a keeper


class Keepers:
    """Knows the core's keepers by index. `local` ones were forked from this process and know its functions by heart."""

    def __init__(self, core: Any, registry: Registry, given: Keeper | None) -> None:
        self._core = core
        self._registry = registry
        self._modules: tuple[str, ...] = ()
        self._importing: int | None = None
        self._local: int | None = None
        self._local_version = -1
        self._forked: set[int] = set()  # the local ones, retired ones too
        self._dead: list[int] = []
        self._delay_ns = 0
        self._again_ns = 0  # no try before this moment
        self._promised: bool | None = None  # index 0 was named with workers=0; True: it must be a local one
        if given is not None:
            self._modules = given.modules
            self._importing = self._attach(given.take())

    def index(self, importable: bool, needed: bool) -> int:
        """Return the keeper for such a task; none is made while not `needed` (workers=0). Raises SchedulerError."""
        if not needed and self._importing is None and self._local is None:
            self._promised = not importable or bool(self._promised)
            return 0
        return self._for_importable() if importable else self._for_local()

    def for_programs(self, needed: bool) -> int:
        """Return any keeper: a program does not care whose child it is."""
        if self._importing is None and self._fresh_local():
            assert self._local is not None
            return self._local
        return self.index(True, needed)

    def keep_promise(self) -> None:
        """Workers come after all: make the keeper that tasks were given with workers=0."""
        if self._promised is None or self._importing is not None or self._local is not None:
            return
        if self._promised:
            self._for_local()
        else:
            self._for_importable()
        self._promised = None

    def died(self, index: int) -> None:
        """Put a new keeper in the place of one that died; if that fails now, retry() tries again."""
        self._dead.append(index)
        self.retry()

    def retry(self) -> bool:
        """Try again to replace the keepers that died, if it is time. Returns whether all live."""
        now = time.monotonic_ns()
        while self._dead and now >= self._again_ns:
            index = self._dead[-1]
            try:
                fd = fork_from_caller(self._registry) if index in self._forked else self._exec()
            except (SchedulerError, OSError):
                self._put_off(now)
                break
            if lib.pvs_replace_keeper(self._core, index, fd) < 0:
                os.close(fd)
            self._dead.pop()
            self._delay_ns = 0
        return not self._dead

    def _put_off(self, now: int) -> None:
        """No process can be made now: have the descriptor readable when it is time to look again."""
        self._delay_ns = min(max(2 * self._delay_ns, _FIRST_DELAY_NS), _MOST_DELAY_NS)
        self._again_ns = now + self._delay_ns
        lib.pvs_wake_at(self._core, self._again_ns)

    @property
    def all_alive(self) -> bool:
        return not self._dead

    def _for_importable(self) -> int:
        if self._importing is None:
            self._importing = self._attach(self._exec())
        return self._importing

    def _fresh_local(self) -> bool:
        return self._local is not None and self._local_version == self._registry.version

    def _for_local(self) -> int:
        if not self._fresh_local():
            fd = self._fork()
            if self._local is not None and lib.pvs_retire_keeper(self._core, self._local) < 0:
                pass  # it is gone already
            self._local = self._attach(fd)
            self._local_version = self._registry.version
            self._forked.add(self._local)
        assert self._local is not None
        return self._local

    def _fork(self) -> int:
        try:
            return fork_from_caller(self._registry)
        except OSError as error:
            raise SchedulerError(f"a keeper could not be forked: {error.strerror}", code="keeper-failed") from error

    def _exec(self) -> int:
        return exec_keeper(sorted({*self._modules, *self._registry.modules()}))

    def _attach(self, fd: int) -> int:
        index = int(lib.pvs_attach_keeper(self._core, fd))
        if index < 0:
            os.close(fd)
            raise SchedulerError(
                f"the scheduler has no place for one more keeper: {os.strerror(-index)}",
                code="keeper-failed",
                hint="register handlers before the first task: each later registration makes a keeper",
            )
        self._forked.discard(index)  # an index of a retired one is used again
        return index
