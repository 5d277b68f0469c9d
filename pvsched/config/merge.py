"""Lays the layers over each other and finds everything that is wrong with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from pvsched.config.legacy import legacy_list_text, legacy_text
from pvsched.config.lines import key_lines, line_of
from pvsched.config.load import NOT_SETTINGS, SHORT
from pvsched.config.pantavisor import BOUND, LEGACY_KEYS
from pvsched.config.places import Places
from pvsched.config.problem import ConfigError, Problem, nearest, unreadable
from pvsched.config.schema import LANE_KEYS, LOG_LEVELS, SECTIONS, Key, all_keys
from pvsched.config.settings import Settings
from pvsched.config.value import from_text, from_toml


class Layers:
    """The values so far, where they came from, and the findings."""

    def __init__(self) -> None:
        self.keys = all_keys()
        self.values: dict[str, object] = {name: key.default for name, key in self.keys.items()}
        self.origins: dict[str, str] = dict.fromkeys(self.keys, "default")
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def key(self, name: str) -> Key | None:
        """The key of that full name. Pantavisor's are case-insensitive, as they are there."""
        section, _, rest = name.partition(".")
        if section == "lanes":
            return _lane_key(rest)
        return self.keys.get(f"pantavisor.{rest.upper()}" if section == "pantavisor" else name)

    def put(self, key: Key, value: object, origin: str) -> None:
        """Takes a value that was found good. One that is bound to a key of ours sets that."""
        name = key.name
        self.values[name], self.origins[name] = value, origin
        bound = BOUND.get(name)
        if bound:
            self.values[bound], self.origins[bound] = _bound_value(name, value), origin

    def unknown(self, place: str, line: int, name: str) -> None:
        """A key that does not exist."""
        section = name.partition(".")[0]
        known = [key for key in self.keys if key.startswith("pantavisor.") == (section == "pantavisor")]
        lane = name.split(".")[1] if section == "lanes" else ""
        lanes = [f"lanes.{lane}.{key.name}" for key in LANE_KEYS if lane]
        wanted = "pantavisor." + name.partition(".")[2].upper() if section == "pantavisor" else name
        self.problems.append(Problem(place, line, name, "unknown key", nearest(wanted, [*known, *lanes])))

    def keep(self, fixed: Mapping[str, tuple[object, str]]) -> None:
        """Puts back what cannot change while a daemon runs; `workers` then has to fit below the old `max_workers`."""
        for name, (value, origin) in fixed.items():
            self.values[name], self.origins[name] = value, origin
        workers, most = self.values["scheduler.workers"], self.values["scheduler.max_workers"]
        assert isinstance(workers, int)
        assert isinstance(most, int)
        self.values["scheduler.workers"] = min(workers, most)

    def check_rules(self) -> None:
        """What holds between keys."""
        workers, most = self.values["scheduler.workers"], self.values["scheduler.max_workers"]
        assert isinstance(workers, int)
        assert isinstance(most, int)
        if workers <= most:
            return
        if self.origins["scheduler.max_workers"] == "default":
            # Whoever asks for more workers wants them to be possible.
            self.values["scheduler.max_workers"] = workers
            return
        place, _, line = self.origins["scheduler.workers"].partition(":")[2].rpartition(":")
        message = f"{workers} is more than scheduler.max_workers, {most}"
        self.problems.append(
            Problem(place or "--workers", int(line) if line.isdigit() else 0, "scheduler.workers", message)
        )


def merged(
    path: str | None,
    environ: Mapping[str, str],
    arguments: Mapping[str, str],
    uid: int,
    fixed: Mapping[str, tuple[object, str]] | None = None,
) -> Settings:
    """The settings of all layers. Raises ConfigError with everything that is wrong in any of them.

    `fixed`: values and origins that a running daemon cannot change, by name; they take the place of the new ones.
    """
    places = Places(uid, environ)
    layers = Layers()
    _file(layers, path, places)
    _environment(layers, environ)
    _arguments(layers, arguments)
    layers.check_rules()
    if layers.problems:
        raise ConfigError(layers.problems)
    if fixed is not None:
        layers.keep(fixed)
    _resolve(layers, places)
    return Settings(
        layers.values,
        layers.origins,
        frozenset(name for name, key in layers.keys.items() if key.reloadable),
        tuple(layers.warnings),
        legacy_text(layers.values),
        legacy_list_text(layers.values, layers.origins),
    )


def _file(layers: Layers, path: str | None, places: Places) -> None:
    """The TOML file. A default one that is not there is no fault; one that was named is."""
    named = path or places.config
    try:
        with open(named, "rb") as stream:
            text = stream.read().decode()
    except FileNotFoundError as problem:
        if path:
            layers.problems.append(unreadable(named, problem))
        return
    except (OSError, UnicodeDecodeError) as problem:
        layers.problems.append(unreadable(named, problem))
        return
    file_layer(layers, named, text)


def file_layer(layers: Layers, place: str, text: str) -> None:
    """The text of a TOML file: every key checked, the good ones taken."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        message = str(problem)
        line = message.partition("(at line ")[2].partition(",")[0]
        if line.isdigit():
            layers.problems.append(Problem(place, int(line), "", message.partition(" (at ")[0]))
        else:
            layers.problems.append(Problem(place, 0, "", message))  # "... (at end of document)"
        return
    lines = key_lines(text)
    for section, table in tables.items():
        if section not in (*SECTIONS, "pantavisor", "lanes"):
            hint = nearest(section, [*SECTIONS, "pantavisor", "lanes"])
            layers.problems.append(Problem(place, line_of(lines, section), section, "unknown section", hint))
        elif not isinstance(table, dict):
            layers.problems.append(Problem(place, line_of(lines, section), section, f"expected a section: [{section}]"))
        else:
            _table(layers, place, lines, section, table)


def _table(layers: Layers, place: str, lines: dict[str, int], prefix: str, table: Mapping[str, object]) -> None:
    for name, value in table.items():
        full = f"{prefix}.{name}"
        line = line_of(lines, full)
        if prefix == "lanes" and isinstance(value, dict):
            _table(layers, place, lines, full, value)
            continue
        key = layers.key(full)
        if key is None:
            layers.unknown(place, line, full)
            continue
        bound = BOUND.get(key.name)
        if bound and bound in lines:
            message = f"is the same as {bound}, which stands on line {line_of(lines, bound)}"
            layers.problems.append(Problem(place, line, full, message, "keep one of them"))
            continue
        try:
            layers.put(key, from_toml(key, value), f"file:{place}:{line}")
        except ValueError as problem:
            layers.problems.append(Problem(place, line, full, str(problem)))


def _environment(layers: Layers, environ: Mapping[str, str]) -> None:
    """PVSCHED_... variables. An unknown one is told, but stops nothing: the environment has other owners, too."""
    known = {key.environment: key for key in layers.keys.values()}
    # The long names come after the short ones, so that the more exact one wins.
    for name in sorted(environ, key=lambda name: (name not in SHORT, name)):
        if not name.startswith("PVSCHED_") or name in NOT_SETTINGS:
            continue
        key = layers.keys[SHORT[name]] if name in SHORT else known.get(name)
        if key is None:
            layers.warnings.append(f"unknown variable {name} {nearest(name, list(known))}".rstrip())
            continue
        _text(layers, key, environ[name], name, f"environment:{name}")


def _arguments(layers: Layers, arguments: Mapping[str, str]) -> None:
    for name, text in arguments.items():
        option = "--" + name.rpartition(".")[2]
        _text(layers, layers.keys[name], text, option, f"argument:{option}")


def _text(layers: Layers, key: Key, text: str, place: str, origin: str) -> None:
    try:
        layers.put(key, from_text(key, text), origin)
    except ValueError as problem:
        layers.problems.append(Problem(place, 0, key.name, str(problem)))


def _resolve(layers: Layers, places: Places) -> None:
    """Puts real paths where keys were left empty, and the values of our own keys into Pantavisor's."""
    values = layers.values
    values["daemon.state"] = state = str(values["daemon.state"] or places.state)
    given = values["control.socket"]
    values["control.socket"] = socket = str(given or places.socket)
    values["objects.directory"] = values["objects.directory"] or os.path.join(state, "objects")
    if values["control.link"] == "auto":
        values["control.link"] = places.link if socket == places.socket else ""
    run = os.path.dirname(socket)
    for legacy in LEGACY_KEYS:
        name = f"pantavisor.{legacy.name}"
        value = values[name]
        if isinstance(value, str) and layers.origins[name] == "default":
            values[name] = value.replace("{state}", state).replace("{run}", run)
        if legacy.bound:
            layers.origins[name] = layers.origins[legacy.bound]
    values["pantavisor.PV_STORAGE_MNTPOINT"] = state
    values["pantavisor.PV_SYSTEM_RUNDIR"] = run
    values["pantavisor.PV_STORAGE_GC_RESERVED"] = values["objects.reserved_percent"]
    values["pantavisor.PV_LOG_LEVEL"] = LOG_LEVELS.index(str(values["log.level"]))


def _bound_value(name: str, value: object) -> object:
    """The value of our own key that a bound one of Pantavisor's stands for."""
    if name == "pantavisor.PV_LOG_LEVEL":
        assert isinstance(value, int)
        return LOG_LEVELS[value]
    return os.path.join(str(value), "pv-ctrl") if name == "pantavisor.PV_SYSTEM_RUNDIR" else value


def _lane_key(rest: str) -> Key | None:
    """The key `NAME.limit` or `NAME.weight` of a lane, whatever its name."""
    lane, _, name = rest.rpartition(".")
    for key in LANE_KEYS:
        if key.name == name and lane and "." not in lane:
            full = f"lanes.{lane}.{name}"
            return Key(full, key.kind, key.default, key.doc, low=key.low, high=key.high, reloadable=True)
    return None
