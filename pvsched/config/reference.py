"""The reference page and the default file, made from the tables of keys.

`python -m pvsched.config.reference [toml]` prints them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from pvsched.config.pantavisor import LEGACY_KEYS, LegacyKey
from pvsched.config.schema import GIB, KIB, LANE_KEYS, MIB, SECTIONS, Key

INTRODUCTION = """\
# Configuration

This page is made from the tables in `pvsched/config/` by `python -m pvsched.config.reference`.

Settings come in four layers; a later one wins: built-in defaults, the TOML file (`--config FILE`, else
`/etc/pvsched/pvsched.toml` for root and `$XDG_CONFIG_HOME/pvsched/pvsched.toml` for others, if it is there),
environment variables, arguments of `pvsched run`.

- A key `workers` in `[scheduler]` is the variable `PVSCHED_SCHEDULER_WORKERS`. Short forms: `PVSCHED_CONFIG`,
  `PVSCHED_STATE`, `PVSCHED_SOCKET`, `PVSCHED_WORKERS`. Lists are separated by commas, flags are `true` or `false`.
- Sizes are numbers of bytes, or strings such as `"64 MiB"`. Modes are octal: `0o660` or `"0660"`.
- `pvsched config check FILE` names file, line, key and the nearest known key. `pvsched config show --origin` says
  where each value came from. A file with any finding is refused as a whole: at start the daemon exits with status
  100, at a reload it keeps what it has and says so in its log.
- `SIGHUP` reloads. Keys marked *reload* take effect at once, and nothing that waits or runs is lost; the log names
  what needs a restart.
"""

LANES = """\
## `[lanes.NAME]`

One section a lane. The daemon's own lanes: `objects` (transfers and checks; without a `limit` here that of
`objects.lane_limit` holds) and `default`. Lanes have no environment variables.
"""

PANTAVISOR = """\
## `[pantavisor]`

Pantavisor's own keys, under its names (upper or lower case), with its meaning; they are what `/config` and
`/config2` show. In this version the keys in the first table act; the others are checked, kept and shown, and take
effect with the parts of a device that read them. Values may be strings, as in Pantavisor's own files (`"10min"`,
`"yes"`). Secrets are never shown.
"""


def page() -> str:
    """The whole reference page."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield INTRODUCTION
    for section, keys in SECTIONS.items():
        yield f"## `[{section}]`"
        yield ""
        yield from _table(keys)
    yield LANES
    yield from _table(LANE_KEYS)
    yield PANTAVISOR
    yield from _legacy_table([key for key in LEGACY_KEYS if key.bound])
    yield from _legacy_table([key for key in LEGACY_KEYS if not key.bound])


def _table(keys: tuple[Key, ...]) -> Iterator[str]:
    yield "| key | type | default | range | | meaning |"
    yield "|---|---|---|---|---|---|"
    for key in keys:
        last = key.name.rpartition(".")[2]
        reload = "reload" if key.reloadable else ""
        yield f"| `{last}` | {_kind(key)} | `{literal(key)}` | {_range(key)} | {reload} | {key.doc} |"
    yield ""


def _legacy_table(keys: list[LegacyKey]) -> Iterator[str]:
    yield "| key | alias in `/config` | type | default | meaning |"
    yield "|---|---|---|---|---|"
    for key in keys:
        default = "unset" if key.default is None else f"`{key.default}`"
        kind = " ".join(f"`{word}`" for word in key.choices) or key.kind
        bound = f" The same as `{key.bound}`." if key.bound else ""
        alias = f"`{key.alias}`" if key.alias else ""
        yield f"| `{key.name}` | {alias} | {kind} | {default} | {key.doc}{bound} |"
    yield ""


def _kind(key: Key) -> str:
    unit = f", {key.unit}" if key.unit and key.unit not in ("octal", "bytes") else ""
    return (" ".join(f"`{word}`" for word in key.choices) or key.kind) + unit


def _range(key: Key) -> str:
    if key.low is None or key.high is None:
        return ""
    if key.kind == "mode":
        return f"{int(key.low):#o}..{int(key.high):#o}"
    return f"{_number(key, key.low)}..{_number(key, key.high)}"


def _number(key: Key, value: float) -> str:
    if key.kind == "bytes":
        for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
            if value and value % size == 0:
                return f"{int(value) // size} {unit}"
    return f"{value:g}" if value < 1e6 else str(int(value))


def literal(key: Key) -> str:
    """The default as TOML writes it."""
    value = key.default
    if key.kind == "mode":
        assert isinstance(value, int)
        return f"{value:#o}"
    if key.kind == "bytes":
        assert isinstance(value, int)
        text = _number(key, value)
        return json.dumps(text) if " " in text else text
    if isinstance(value, tuple):
        return "[" + ", ".join(json.dumps(item) for item in value) + "]"
    return json.dumps(value)


def default_file() -> str:
    """What `pvsched config show --defaults` prints: every key of our own sections, commented out, at its default."""
    lines = [
        "# pvsched: the default configuration, printed by `pvsched config show --defaults`. Every key has its default;",
        "# take away the '#' to change one. Install as /etc/pvsched/pvsched.toml.",
        "# Check it with `pvsched config check FILE`; load it with `systemctl reload pvsched`.",
    ]
    for section, keys in SECTIONS.items():
        lines += ["", f"[{section}]"]
        for key in keys:
            unit = f" ({key.unit})" if key.unit and key.unit != "octal" else ""
            lines += [f"# {key.doc}{unit}", f"#{key.name.rpartition('.')[2]} = {literal(key)}"]
    lines += ["", "# One section a lane, for the policy `fair` and for limits:", "#[lanes.objects]"]
    lines += ["#limit = 0", '#weight = "medium"']
    lines += [
        "",
        "# Pantavisor's own keys, as in its files; `pvsched config show` lists all of them.",
        "[pantavisor]",
        '#PH_CREDS_HOST = "api.pantahub.com"',
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(default_file() if sys.argv[1:] == ["toml"] else page())
