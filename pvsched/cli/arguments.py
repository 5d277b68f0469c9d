"""argparse, imported once the verb is known: misuse exits 100, and --json and --socket are everywhere."""

from __future__ import annotations

import argparse
import os

from pvsched.cli.failure import misuse

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import NoReturn


class Formatter(argparse.HelpFormatter):
    """Knows its width, so that argparse does not import shutil (and with it every compression) to find it."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 0
        super().__init__(prog, width=max(40, (columns or 80) - 2))


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises CommandError instead of leaving with status 2."""

    def error(self, message: str) -> NoReturn:
        raise misuse(message, f"{self.prog} --help")


def parser(verb: str, description: str, *, talks: bool = True, json: bool = True) -> Parser:
    """A parser for one verb. talks: the verb asks a daemon, so it takes --socket. json: it has the plain --json."""
    made = Parser(prog=f"pvsched {verb}", description=description, allow_abbrev=False, formatter_class=Formatter)
    if json:
        common(made, talks)
    return made


def common(made: argparse.ArgumentParser, talks: bool = True) -> None:
    made.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    if talks:
        made.add_argument(
            "--socket",
            metavar="PATH",
            default=argparse.SUPPRESS,
            help="the daemon's socket (default: $PVSCHED_SOCKET, then the usual places)",
        )


def options(made: Parser, arguments: list[str]) -> argparse.Namespace:
    """The parsed arguments; json and socket are always there."""
    chosen = argparse.Namespace(json=False, socket=None)
    return made.parse_args(arguments, chosen)
