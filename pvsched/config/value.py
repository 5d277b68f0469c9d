"""From what was written (a TOML value, or the text of a variable or an argument) to the value of a key, or a clear
no.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvsched.config.schema import Key

YES = frozenset(("1", "true", "yes", "on"))
NO = frozenset(("0", "false", "no", "off"))
UNITS = {"": 1, "b": 1, "k": 1024, "kib": 1024, "m": 1024**2, "mib": 1024**2, "g": 1024**3, "gib": 1024**3}
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
EXPECTED = {
    "integer": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "text": "a string",
    "path": "an absolute path",
    "list": "a list of strings",
    "choice": "one of its words",
    "bytes": 'a number of bytes, or a string like "64 MiB"',
    "mode": 'an octal number like 0o660, or the string "0660"',
}


def from_toml(key: Key, value: object) -> object:
    """The value of `key` that a TOML file gives. Raises ValueError saying what was expected."""
    kind = key.kind
    if isinstance(value, str) and (
        kind in ("choice", "path", "text", "bytes", "mode") or key.name.startswith("pantavisor.")
    ):
        return from_text(key, value)
    if isinstance(value, bool):
        if kind == "flag":
            return value
        raise ValueError(_expected(key, value))
    if kind == "flag" and key.name.startswith("pantavisor.") and value in (0, 1):
        return value == 1
    if isinstance(value, int) and kind in ("integer", "bytes", "mode", "number"):
        return in_range(key, float(value) if kind == "number" else value)
    if isinstance(value, float) and kind == "number":
        return in_range(key, value)
    if isinstance(value, int) and kind == "text" and key.name.startswith(("lanes.", "pantavisor.", "control.group")):
        return checked_text(key, str(value))
    if isinstance(value, list) and kind == "list" and all(isinstance(item, str) for item in value):
        return checked_list(key, value)
    raise ValueError(_expected(key, value))


def from_text(key: Key, text: str) -> object:
    """The value of `key` that a text gives. Raises ValueError saying what was expected."""
    return PARSERS.get(key.kind, checked_text)(key, text)


def in_range(key: Key, value: float) -> float:
    """`value`, if the key's range holds it."""
    # A comparison that is false for NaN, too.
    if (key.low is None or value >= key.low) and (key.high is None or value <= key.high):
        return value
    low, high = _shown(key, key.low or 0), _shown(key, key.high or 0)
    unit = f" {key.unit}" if key.unit and key.kind != "mode" else ""
    raise ValueError(f"{_shown(key, value)} is out of range: {low} to {high}{unit}")


def _shown(key: Key, number: float) -> str:
    """A number as people write it for that key."""
    if key.kind == "mode":
        return oct(int(number))
    return str(int(number)) if number == number // 1 else f"{number:g}"


def checked_text(key: Key, text: str) -> str:
    """A string without control characters; an absolute path where the key is one (or empty, for the default)."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("control characters are not allowed")
    if key.kind == "path" and text and not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute path")
    if key.name == "scheduler.cgroup" and text not in ("", "auto") and not text.startswith("/"):
        raise ValueError(f"{text!r} is neither `auto` nor an absolute path")
    if key.name.startswith("lanes.") and key.name.endswith(".weight"):
        _weight(text)
    return text


def checked_list(key: Key, items: list[str]) -> tuple[str, ...]:
    """A list of strings; cgroup prefixes must begin with a slash, or they would match nothing, silently."""
    for item in items:
        if key.name == "control.host_cgroups" and not item.startswith("/"):
            raise ValueError(f"{item!r} is not a cgroup path: it must begin with '/'")
        checked_text(key, item)
    return tuple(items)


def _expected(key: Key, value: object) -> str:
    found = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a table",
    }
    wanted = f"one of {', '.join(key.choices)}" if key.choices else EXPECTED[key.kind]
    return f"expected {wanted}, found {found.get(type(value), type(value).__name__)}"


def _integer(key: Key, text: str) -> object:
    number, unit = _split(text)
    # Pantavisor's durations may carry a unit: "10min".
    factor = SECONDS.get(unit, 0) if unit and key.name.startswith("pantavisor.") else 0 if unit else 1
    if not factor or not number.lstrip("-").isdigit():
        raise ValueError(f"expected {EXPECTED['integer']}, found {text!r}")
    return in_range(key, int(number) * factor)


def _number(key: Key, text: str) -> object:
    try:
        return in_range(key, float(text))
    except ValueError as problem:
        if "out of range" in str(problem):
            raise
        raise ValueError(f"expected {EXPECTED['number']}, found {text!r}") from None


def _flag(key: Key, text: str) -> object:
    lowered = text.strip().lower()
    if lowered not in YES and lowered not in NO:
        raise ValueError(f"expected {EXPECTED['flag']}, found {text!r}")
    return lowered in YES


def _bytes(key: Key, text: str) -> object:
    number, unit = _split(text)
    if not number.isdigit() or unit not in UNITS:
        raise ValueError(f"expected {EXPECTED['bytes']}, found {text!r}")
    return in_range(key, int(number) * UNITS[unit])


def _mode(key: Key, text: str) -> object:
    try:
        return in_range(key, int(text.removeprefix("0o"), 8))
    except ValueError as problem:
        if "out of range" in str(problem):
            raise
        raise ValueError(f"expected {EXPECTED['mode']}, found {text!r}") from None


def _choice(key: Key, text: str) -> object:
    if text in key.choices:
        return text
    raise ValueError(f"expected one of {', '.join(key.choices)}, found {text!r}")


def _weight(text: str) -> None:
    if text in ("high", "medium", "low"):
        return
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.001 <= number <= 1_000_000:
        raise ValueError(f"expected high, medium, low, or a number from 0.001 to 1000000, found {text!r}")


def _split(text: str) -> tuple[str, str]:
    """("64", "mib") of "64 MiB"."""
    stripped = text.strip().lower()
    end = len(stripped)
    while end and not stripped[end - 1].isdigit():
        end -= 1
    return stripped[:end].strip(), stripped[end:].strip()


def _list(key: Key, text: str) -> object:
    return checked_list(key, [item.strip() for item in text.split(",") if item.strip()])


PARSERS: dict[str, Callable[[Key, str], object]] = {
    "integer": _integer,
    "number": _number,
    "flag": _flag,
    "bytes": _bytes,
    "mode": _mode,
    "choice": _choice,
    "list": _list,
}
