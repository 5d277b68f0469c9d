"""The table of endpoints: two classes, their order, and what does not match."""

from __future__ import annotations

import pytest

from pvsched.control.caller import Caller
from pvsched.control.http import Request, parse_head
from pvsched.control.routes import Handler, Refusal, Router

HOST = Caller(1, 0, None, True)
APP = Caller(1, 0, "app1", False)


def handler(request: Request, *rest: object) -> None:
    """Never called here."""


def router(*routes: str, handlers: Handler = handler) -> Router:
    made = Router()
    for route in routes:
        made.add(*route.split(" ", 1), handlers)
    return made


def ask(method_and_target: str) -> Request:
    return parse_head(f"{method_and_target} HTTP/1.1\r\n\r\n".encode())


def refusal(table: Router, line: str, caller: Caller | None = HOST) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        table.find(ask(line), caller)
    return caught.value.status, caught.value.text


@pytest.mark.parametrize("target", ["/fixed", "/fixed?x=1", "/f%69xed", "http://localhost/fixed"])
def test_a_fixed_path_is_matched_decoded_and_without_its_query(target: str) -> None:
    """As evhttp does after the whole body has come."""
    route, params = router("GET /fixed").find(ask(f"GET {target}"), HOST)
    assert (route.pattern, params) == ("/fixed", ())


@pytest.mark.parametrize("name", ["a", "a%2fb", "a?x=1", "..", "%00", "a" * 255])
def test_a_parameter_is_one_raw_segment(name: str) -> None:
    """Nothing decoded, nothing stripped; what it means is the handler's business."""
    assert router("GET /p/{}").find(ask(f"GET /p/{name}"), HOST)[1] == (name,)


@pytest.mark.parametrize("target", ["/p/", "/p", "/p/a/b", "/p/a/", "/%70/a", "/p/" + "a" * 256, "/x/p/a"])
def test_anything_else_is_an_unknown_endpoint(target: str) -> None:
    """Empty and over-long segments too; the text is the target as it was sent."""
    assert refusal(router("GET /p/{}"), f"GET {target}") == (400, f"unknown endpoint: {target}")


def test_a_wrong_method_is_400_and_not_405() -> None:
    """As recorded (022)."""
    assert refusal(router("GET /p"), "POST /p") == (400, "Method not supported for this endpoint")


def test_later_entries_are_tried_first() -> None:
    """Of two that take a request, the later one does."""
    table = router("GET /a/{}", "GET /{}/b")
    assert table.find(ask("GET /a/b"), HOST)[0].pattern == "/{}/b"


def test_the_entry_tried_last_decides_for_the_unprivileged() -> None:
    """Recordings 320 and 322: PUT was added before GET, so a GET of an object is 400 and a PUT of one is 403."""
    table = router("PUT /objects/{}", "GET /objects/{}")
    assert refusal(table, "GET /objects/a", APP) == (400, "Method not supported for this endpoint")
    assert refusal(table, "PUT /objects/a", APP) == (403, "Request not sent from mgmt platform")


def test_an_unprivileged_endpoint_is_for_all_who_are_known() -> None:
    """As `/signal` will be."""
    table = Router()
    table.add("POST", "/signal", handler, privileged=False)
    assert table.find(ask("POST /signal"), APP)[0].pattern == "/signal"
    assert refusal(table, "POST /signal", None) == (500, "Internal Error")
