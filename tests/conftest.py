"""What every test gets: a check that it leaves nothing behind."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from pvsched import Scheduler
from tests.leaks import PATIENCE, Snapshot, mark_descendants
from tests.patience import SLOWNESS, patience

pytest_plugins = ["tests.skips"]

mark_descendants()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts what runs in the background so
    signal.signal(signal.SIGINT, signal.default_int_handler)
if SLOWNESS > 1:  # an example that takes 0.2 s is no finding there
    from hypothesis import HealthCheck, settings

    settings.register_profile("slow", deadline=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("slow")


@pytest.fixture(autouse=True)
def _callbacks_may_assert(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a test asserts in a callback fail the test; a scheduler would tell of it, and go on."""
    tell = Scheduler._callback_failed

    def fail(self: Scheduler, document: dict[str, Any], error: Exception) -> None:
        if isinstance(error, AssertionError):
            raise error
        tell(self, document, error)

    monkeypatch.setattr(Scheduler, "_callback_failed", fail)


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves a descriptor, a zombie or a living descendant."""
    before = Snapshot.take()
    yield
    leaked = before.leaks(patience(PATIENCE))
    assert not leaked, "left behind: " + "; ".join(leaked)


@pytest.fixture
def room_for_clients() -> Iterator[None]:
    """A shell's usual limit is 1024 descriptors, and a thousand clients want more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
