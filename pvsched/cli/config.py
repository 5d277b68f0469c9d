"""`pvsched config show` and `pvsched config check FILE`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

from pvsched.cli import exits
from pvsched.cli.arguments import Parser, common, options, parser
from pvsched.cli.output import print_json, say

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import Any

    from pvsched.config.schema import Key
    from pvsched.config.settings import Settings

MASK = "(secret)"


def build() -> Parser:
    made = parser("config", "The settings: in force, by default, and what is wrong with a file.", talks=False)
    verbs = made.add_subparsers(dest="verb", metavar="show|check", required=True)
    for name, text in (("show", "print the settings as TOML"), ("check", "find what is wrong with a file")):
        common(verbs.add_parser(name, help=text, description=text, allow_abbrev=False), talks=False)
    show_verb = verbs.choices["show"]
    show_verb.add_argument("--config", metavar="FILE", help="as `pvsched run --config FILE` would see them")
    show_verb.add_argument("--origin", action="store_true", help="say where each value comes from")
    show_verb.add_argument("--changed", action="store_true", help="only what is not at its default")
    show_verb.add_argument("--defaults", action="store_true", help="a file to begin with: all defaults, explained")
    verbs.choices["check"].add_argument("file", metavar="FILE")
    return made


def main(arguments: list[str]) -> int:
    chosen = options(build(), arguments)
    return check(chosen) if chosen.verb == "check" else show(chosen)


# -- show -----------------------------------------------------------------------------------------


def show(chosen: argparse.Namespace) -> int:
    from pvsched.config.load import load
    from pvsched.config.schema import all_keys

    if chosen.defaults and not chosen.json:
        from pvsched.config.reference import default_file

        sys.stdout.write(default_file())
        return exits.OK
    keys = all_keys()
    settings = load(os.devnull, {}, {}) if chosen.defaults else load(chosen.config)
    names = [n for n in settings.values if not chosen.changed or settings.origins.get(n, "default") != "default"]
    if chosen.json:
        print_json({name: entry(settings, keys.get(name), name) for name in names})
    else:
        say(list(toml(settings, keys, names, chosen)) or ["# everything is at its default"])
    return exits.OK


def value_of(settings: Settings, key: Key | None, name: str) -> object:
    value = settings.values[name]
    return MASK if key is not None and key.secret and value not in (None, "") else value


def entry(settings: Settings, key: Key | None, name: str) -> dict[str, object]:
    found = {"value": value_of(settings, key, name), "origin": settings.origins.get(name, "default")}
    if key is not None:
        found.update(default=key.default, unit=key.unit, environment=key.environment, reloadable=key.reloadable)
    return found


def toml(settings: Settings, keys: dict[str, Key], names: list[str], chosen: argparse.Namespace) -> Iterator[str]:
    """Lines of a file that says the same. A key that is another name for one of ours is a comment, or it would be said
    twice."""
    from pvsched.config.pantavisor import BOUND

    section = ""
    for name in sorted(names, key=lambda name: name.rpartition(".")[0]):
        head, _, last = name.rpartition(".")
        if head != section:
            yield from ([""] if section else [])
            yield f"[{head}]"
            section = head
        key = keys.get(name)
        value = value_of(settings, key, name)
        mark = "# " if name in BOUND or value in (None, MASK) else ""
        origin = f"   # {settings.origins.get(name, 'default')}" if chosen.origin else ""
        yield f"{mark}{last} = {literal(value, key)}{origin}"


def literal(value: object, key: Key | None = None) -> str:
    """A value as TOML writes it."""
    import json

    if key is not None and key.kind == "mode" and isinstance(value, int):
        return oct(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return json.dumps("" if value is None else value, ensure_ascii=False)


# -- check ----------------------------------------------------------------------------------------


def check(chosen: argparse.Namespace) -> int:
    """Every finding on a line of its own, as FILE:LINE: KEY: MESSAGE (HINT); status 1 if there is one."""
    from pvsched.config.check import check as findings

    problems = findings(chosen.file)
    if chosen.json:
        documents: list[Any] = [problem.document() for problem in problems]
        print_json({"file": chosen.file, "good": not problems, "problems": documents})
    else:
        say([str(problem) for problem in problems] or [f"{chosen.file}: good"])
    return exits.FAILED if problems else exits.OK
