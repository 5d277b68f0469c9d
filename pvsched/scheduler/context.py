"""What a handler gets beside its data."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class CancelFlag:
    """Raised once by whoever cancels the task (in a worker: by SIGTERM)."""

    __slots__ = ("raised",)

    def __init__(self) -> None:
        self.raised = False


class Context:
    """The task that runs, seen from its handler: `id`, `deadline`, `fds` and the words it may say.

    `deadline` is in seconds of CLOCK_MONOTONIC, None without a timeout. `fds` maps the names of the lent descriptors to
    their numbers here; they are closed when the handler returns (dup() one that another object is to close).
    """

    __slots__ = ("_deadline_ns", "_flag", "_say", "fds", "id")

    def __init__(
        self, id: int, deadline_ns: int, fds: dict[str, int], flag: CancelFlag, say: Callable[[int, str, object], None]
    ) -> None:
        self.id = id
        self._deadline_ns = deadline_ns
        self.fds = fds
        self._flag = flag
        self._say = say

    @property
    def deadline(self) -> float | None:
        return self._deadline_ns / 1e9 if self._deadline_ns else None

    def cancelled(self) -> bool:
        """Say whether the task was asked to stop; a handler that takes long asks now and then, and returns."""
        return self._flag.raised

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell how far the task is, 0.0 to 1.0, to those who watch events and `Scheduler.tasks()`."""
        self._say(self.id, "progress", {"fraction": float(fraction), "message": message})

    def log(self, level: str, text: str) -> None:
        """Send one line to those who watch events; `level` as in logging: debug, info, warning, error."""
        self._say(self.id, "log", {"level": level, "text": text})
