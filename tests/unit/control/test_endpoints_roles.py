"""Who may call what: each of our own endpoints, by each kind of caller."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pvsched.control.caller import Caller
from pvsched.control.endpoints.config import ConfigEndpoints
from pvsched.control.endpoints.events import EventFeed
from pvsched.control.endpoints.health import Health
from pvsched.control.endpoints.metrics import MetricsEndpoint
from pvsched.control.endpoints.tasks import TaskEndpoints, TaskHistory
from pvsched.control.routes import Refusal, Router
from tests.unit.control.endpoint_doubles import FakeLoop, FakeScheduler

ROUTES = [
    ("GET", "/tasks"),
    ("GET", "/tasks/7"),
    ("DELETE", "/tasks/7"),
    ("GET", "/events"),
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/config"),
    ("GET", "/config2"),
]


@pytest.fixture
def router() -> Router:
    """All of our own endpoints."""
    scheduler: Any = FakeScheduler()
    loop: Any = FakeLoop()
    made = Router()
    TaskEndpoints(scheduler, TaskHistory(scheduler)).add_to(made)
    EventFeed(scheduler, loop, buffer=4, waiters=1, max_wait=1).add_to(made)
    MetricsEndpoint(()).add_to(made)
    Health("1", lambda: 0.0).add_to(made)
    ConfigEndpoints(SimpleNamespace()).add_to(made)  # type: ignore[arg-type]
    return made


def asked(method: str, path: str) -> Any:
    return SimpleNamespace(method=method, path=path, target=path)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_the_host_may(router: Router, method: str, path: str) -> None:
    """A privileged caller reaches the handler."""
    assert router.find(asked(method, path), Caller(1, 0, None, True))[0].method == method


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_container_without_the_role_may_not(router: Router, method: str, path: str) -> None:
    """Refused before any handler runs; on a path with several methods in the recorded words of the last one tried."""
    with pytest.raises(Refusal) as caught:
        router.find(asked(method, path), Caller(1, 0, "app", False))
    assert caught.value.status in (400, 403)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_knows_who(router: Router, method: str, path: str) -> None:
    """The recorded 500."""
    with pytest.raises(Refusal) as caught:
        router.find(asked(method, path), None)
    assert caught.value.status == 500


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_other_methods_are_refused(router: Router, method: str, path: str) -> None:
    """400, as everywhere else."""
    with pytest.raises(Refusal) as caught:
        router.find(asked("POST", path), Caller(1, 0, None, True))
    assert caught.value.status == 400
