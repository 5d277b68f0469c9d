"""/healthz and /config: small answers that are made of what is there."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from pvsched.control.endpoints.config import ConfigEndpoints
from pvsched.control.endpoints.health import Health
from tests.unit.control.endpoint_doubles import CALLER, FakeReply, request


@pytest.mark.parametrize(("state", "status"), [("starting", 503), ("running", 200), ("draining", 503)])
def test_only_a_running_daemon_is_well(state: str, status: int) -> None:
    """A load balancer and a person read the same."""
    times = iter((10.0, 12.5))
    health = Health("1.2", lambda: next(times))
    health.state = state
    reply = FakeReply()
    health.ask(request(), reply, (), CALLER)  # type: ignore[arg-type]
    assert reply.status == status
    assert reply.document == {"status": state, "version": "1.2", "pid": os.getpid(), "uptime": 2.5}


def test_config_bodies_are_sent_as_they_were_made() -> None:
    """/config and /config2, and after a reload the new ones."""
    endpoints = ConfigEndpoints(SimpleNamespace(legacy='{"a":1}', legacy_list="[]"))  # type: ignore[arg-type]
    flat, listed, reloaded = FakeReply(), FakeReply(), FakeReply()
    endpoints.flat(request(), flat, (), CALLER)  # type: ignore[arg-type]
    endpoints.listed(request(), listed, (), CALLER)  # type: ignore[arg-type]
    endpoints.settings = SimpleNamespace(legacy='{"a":2}', legacy_list="[]")  # type: ignore[assignment]
    endpoints.flat(request(), reloaded, (), CALLER)  # type: ignore[arg-type]
    assert (flat.body, listed.body, reloaded.body) == (b'{"a":1}', b"[]", b'{"a":2}')
