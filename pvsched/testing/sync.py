"""A scheduler whose tasks have run when run() returns, in this process and thread."""

from __future__ import annotations

from pvsched.scheduler.scheduler import Scheduler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SyncScheduler(Scheduler):
    """For tests of code that uses a scheduler: the same interface, documents and refusals, and no other process.

    Tasks run inline, in the policy's order, all of them in the next `run()`, with what their callbacks add. With a
    `FakeClock`, a handler that advances it beyond its timeout ends `timed_out`, and queue timeouts pass as it moves.
    Lane limits have no effect, for only one task runs at a time.
    """

    def __init__(self, workers: int = 0, executor: Any = "inline", policy: Any = "strict", **options: Any) -> None:
        del workers, executor  # as the code under test asks for them; here every task is inline
        super().__init__(0, "inline", policy, **options)

    def run(self, wait: float = 0.0) -> int:
        """Run all tasks, and those that they bring, and call back. Never sleeps. Returns how many have ended."""
        del wait
        count = ended = super().run()
        while not self.closed and self.pending and (ended or self._local.ran):
            ended = super().run()
            count += ended
        return count

    def run_task(self, task: Any) -> dict[str, Any]:
        """Add one task, run, and return its document."""
        documents: list[dict[str, Any]] = []
        self.add_task(task, documents.append)
        self.run()
        return documents[0]

    def set_workers(self, workers: int) -> None:
        """Accepted, and without effect."""
