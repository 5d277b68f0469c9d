"""Settings reach the rooms under the right names."""

from __future__ import annotations

from typing import Any

import pytest

from pvsched.config.load import load
from pvsched.control.limits import Limits
from pvsched.objects.model import ObjectSettings
from pvsched.tuning import control_limits, object_settings, policy, set_lanes, take_limits


def test_every_setting_of_objects_is_a_key_and_arrives() -> None:
    """A field without a key could not be set; a key that does not arrive would be a lie."""
    settings = load("/dev/null", {}, {"objects.reserved_percent": "7", "objects.line": "3"}, uid=1)
    assert {f"objects.{name}" for name in ObjectSettings._fields} <= settings.values.keys()
    assert object_settings(settings).reserved_percent == 7
    assert object_settings(settings).line == 3


def test_defaults_of_the_schema_are_those_of_the_rooms() -> None:
    """The reference page tells the truth about what happens without a file."""
    settings = load("/dev/null", {}, {}, uid=1)
    assert object_settings(settings) == ObjectSettings()
    made, own = control_limits(settings), Limits()
    assert {name: getattr(made, name) for name in Limits.__slots__} == {n: getattr(own, n) for n in Limits.__slots__}


@pytest.mark.parametrize(
    ("key", "field", "text", "value"),
    [
        ("max_head", "head", "4096", 4096),
        ("head_timeout", "head_time", "3.5", 3.5),
        ("body_timeout", "body_stall", "4.5", 4.5),
        ("reply_timeout", "reply_stall", "5.5", 5.5),
        ("max_connections", "connections", "9", 9),
        ("drain_limit", "drain", "1 MiB", 1 << 20),
        ("stream_buffer", "stream_buffer", "8 KiB", 8192),
    ],
)
def test_limits_arrive_and_are_changed_in_place(key: str, field: str, text: str, value: float) -> None:
    """Connections hold the very object: a reload must change it, not replace it."""
    limits = Limits()
    take_limits(limits, load("/dev/null", {}, {f"control.{key}": text}, uid=1))
    assert getattr(limits, field) == value


def test_lanes_and_policy_arrive(tmp_path: Any) -> None:
    """A weight may be a word or a number; a limit of 0 is none."""
    path = tmp_path / "c.toml"
    path.write_text("[scheduler]\npolicy = 'edf'\n[lanes.a]\nlimit = 2\nweight = 'high'\n[lanes.b]\nweight = '2.5'\n")
    settings = load(str(path), {}, {}, uid=1)
    calls: list[tuple[str, Any, Any]] = []

    class Recorder:
        def set_lane(self, name: str, limit: int | None = None, weight: Any = "medium") -> None:
            calls.append((name, limit, weight))

    set_lanes(Recorder(), settings, {"a": 7})  # type: ignore[arg-type]
    assert calls == [("a", 2, "high"), ("b", None, 2.5)]
    calls.clear()
    set_lanes(Recorder(), settings, {"a": 7, "b": 7})  # type: ignore[arg-type]
    assert calls == [("a", 2, "high"), ("b", 7, 2.5)]
    calls.clear()
    set_lanes(Recorder(), load("/dev/null", {}, {}, uid=1), {"a": 7}, settings)  # type: ignore[arg-type]
    assert calls == [("a", 7, "medium"), ("b", None, "medium")], "a section that is gone leaves nothing behind"
    assert policy(settings) == "edf"
