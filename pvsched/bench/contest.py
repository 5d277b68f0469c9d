"""Contestants in processes of their own, which take turns: what one leaves behind in a heap, a thread or a cache is
not what the next one is measured with, and what disturbs the machine for a while disturbs all of them.

A contestant is a context manager that makes ready and yields a function; each call of that function is one round and
returns a figure (or some, by name). It is named `module:function` and runs as `python -m pvsched.bench.contest`.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from types import TracebackType

from pvsched.bench.orphans import clean_up_on_sigterm, end_with_parent

Figures = dict[str, float]
Round = Callable[[], "float | Figures"]
PATIENCE = 240.0  # seconds that a round may take
THIRD_PARTY = ("pebble", "billiard")  # contestants whose names begin so may break off without ending the contest
MISSING = 77  # exit status of one whose library is not installed


class BrokeOff(RuntimeError):
    """A contestant that failed or did not come back from a round."""


class Contestant:
    """One process that makes ready at once and then waits to be asked for a round."""

    def __init__(self, home: str, arguments: Sequence[object]) -> None:
        command = [sys.executable, "-m", "pvsched.bench.contest", home, *map(str, arguments)]
        self.home = home
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent
        )

    def ready(self) -> bool:
        """False if what it measures is not installed. RuntimeError if it failed."""
        assert self.process.stdout is not None
        if self.process.stdout.readline() == "ready\n":
            return True
        if self.process.wait() == MISSING:
            return False
        raise RuntimeError(f"{self.home} could not begin; its reason is above")

    def round(self) -> Figures:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()  # a peer that forks from its threads may wait for a lock for ever
        line = self.process.stdout.readline()
        if not line:
            raise BrokeOff(f"{self.home} broke off, or gave no figure for {PATIENCE:.0f} s")
        found = json.loads(line)
        return found if isinstance(found, dict) else {"": found}

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Contest:
    """Contestants by name: {"ours": ("pvsched.bench.pool:ours", 1000), ...}; who is not installed is left out."""

    def __init__(self, homes: dict[str, tuple[object, ...]]) -> None:
        self.homes = homes
        self.there: dict[str, Contestant] = {}

    def __enter__(self) -> Contest:
        try:
            for name, (home, *arguments) in self.homes.items():
                self._add(name, str(home), arguments)
        except BaseException:
            self.close()
            raise
        return self

    def _add(self, name: str, home: str, arguments: Sequence[object]) -> None:
        made = Contestant(home, arguments)
        self.there[name] = made
        if not made.ready():
            made.close()
            del self.there[name]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for contestant in self.there.values():
            contestant.close()
        self.there.clear()

    def rounds(self, count: int) -> dict[str, list[Figures]]:
        """So many rounds of everyone, after one that does not count; each begins with the next in the row."""
        found: dict[str, list[Figures]] = {name: [] for name in self.there}
        names = list(self.there)
        for number in range(count + 1):
            first = number % len(names) if names else 0
            for name in names[first:] + names[:first]:
                figures = self._round(name)
                if number and figures:
                    found[name].append(figures)
        return {name: figures for name, figures in found.items() if name in self.there}

    def _round(self, name: str) -> Figures:
        """One round. A peer that breaks off is out; one of ours that does is an error."""
        contestant = self.there.get(name)
        if contestant is None:
            return {}
        try:
            return contestant.round()
        except BrokeOff:
            if not name.startswith(THIRD_PARTY):
                raise
            contestant.close()
            del self.there[name]
            return {}


def contest(homes: dict[str, tuple[object, ...]], rounds: int) -> dict[str, list[Figures]]:
    """Starts the contestants, lets them take turns, ends them. {name: [figures of each round]}"""
    with Contest(homes) as held:
        return held.rounds(rounds)


def single(found: dict[str, list[Figures]], key: str = "") -> dict[str, list[float]]:
    """One figure of each round."""
    return {name: [figures[key] for figures in rounds] for name, rounds in found.items()}


def main() -> int:
    """The life of a contestant: ready, then a round for each line, until standard input ends."""
    clean_up_on_sigterm()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module, _, name = sys.argv[1].partition(":")
    maker: Callable[..., AbstractContextManager[Round]] = getattr(import_module(module), name)
    try:
        with maker(*map(float, sys.argv[2:])) as ready:
            out.write("ready\n")
            for _ in sys.stdin:
                out.write(json.dumps(ready()) + "\n")
    except ModuleNotFoundError as problem:
        if (problem.name or "").startswith("pvsched"):
            raise
        return MISSING
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
