"""The device's own endpoints at its factory revision, compared with the recordings where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pvsched.control.endpoints.buildinfo import BuildInfoEndpoint
from pvsched.control.endpoints.device import add_device
from pvsched.control.endpoints.steps import StepEndpoints
from pvsched.control.routes import Router
from tests.conformance.recordings import answers, recording
from tests.unit.control.control_rig import Rig

Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture
def ask(rig: Rig) -> Ask:
    """Sends method, path and body; returns status and body."""
    add_device(rig.router)
    peer = rig.peer()

    def asked(method: str, path: str, body: str = "") -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        answer = next(answers(peer.ask((head + body).encode())))
        return answer.status, answer.body

    return asked


@pytest.mark.parametrize("number", [2, 4, 8, 12, 16, 18, 20, 22, 268, 270, 272, 274, 276])
def test_as_recorded(rig: Rig, ask: Ask, number: int) -> None:
    """Status and body, byte for byte."""
    case = recording(number)
    ours = next(answers(rig.peer().ask(case.request)))
    assert (ours.status, ours.body) == (case.first.status, case.first.body)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("", 400, "No data"),
        ("{", 400, "Invalid JSON"),
        ("[" * 1000, 400, "Invalid JSON"),
        ("{}", 400, "Missing 'action' field"),
        ("[]", 400, "Missing 'action' field"),
        ('{"action":1}', 400, "Missing 'action' field"),
        ('{"action":"fly"}', 400, "Invalid action. Use 'start', 'stop', or 'restart'"),
        ('{"action":"restart"}', 404, "Container not found"),
        (" " * 1025, 507, "Not enough disk space available"),
    ],
)
def test_a_container_cannot_be_controlled_yet(ask: Ask, body: str, status: int, text: str) -> None:
    """The recorded complaints about the body come before that; an empty body is answered, where Pantavisor is not."""
    assert ask("PUT", "/containers/nope", body) == (status, json.dumps({"Error": text}, separators=(",", ":")).encode())


def test_daemons_remember_what_was_asked_of_them(ask: Ask) -> None:
    """0 for one that never ran, -1 after a stop; other actions and bad JSON are taken in silence, as recorded (269)."""
    assert ask("PUT", "/daemons/hwrngd", '{"action":"stop"}') == (200, b"")
    for body in ("{", "{}", "[]", '{"action":"fly"}', "[" * 1000):
        assert ask("PUT", "/daemons/pv-xconnect", body) == (200, b"")
    assert json.loads(ask("GET", "/daemons")[1]) == [
        {"name": "hwrngd", "pid": -1, "respawn": False},
        {"name": "pv-xconnect", "pid": 0, "respawn": True},
    ]
    ask("PUT", "/daemons/hwrngd", '{"action":"start"}')
    assert json.loads(ask("GET", "/daemons")[1])[0] == {"name": "hwrngd", "pid": 0, "respawn": True}
    assert ask("PUT", "/daemons/hwrngd") == (400, b'{"Error":"No data"}')


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/steps/0", 200),
        ("/steps/current", 200),
        ("/steps/0/progress", 200),
        ("/steps/1", 404),
        ("/steps/locals/x", 404),
        ("/steps/locals/x/progress", 404),
        ("/steps/0/else", 400),
    ],
)
def test_there_is_one_step(ask: Ask, path: str, status: int) -> None:
    """The factory revision, which is also the current one."""
    assert ask("GET", path)[0] == status


def test_the_listing_of_steps_has_pantavisors_spaces(rig: Rig, ask: Ask) -> None:
    """Clients search it for substrings; recording 266 but for the date."""
    theirs = recording(266).first.body
    date = b"2026-11-21T19:14:18Z"
    assert date in theirs
    assert StepEndpoints(1795288458.0)._listing == theirs


def test_drivers_of_a_caller_without_any(ask: Ask) -> None:
    """Loading all, or one, is done at once."""
    for path in ("/drivers/load", "/drivers/unload", "/drivers/x/unload"):
        assert ask("PUT", path) == (200, b"")


def test_a_manifest_is_shown_as_it_is(rig: Rig) -> None:
    """As text."""
    router = Router()
    BuildInfoEndpoint(b"layer = 1\n").add_to(router)
    rig.router.add("GET", "/buildinfo", router._fixed["/buildinfo"][0][0].handler)
    assert rig.peer().ask(b"GET /buildinfo HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\nlayer = 1\n")
