"""The `pvsched` command: a table of verbs, each a module that is imported when it is asked for.

Nothing is imported here but what every verb needs, so that a verb costs what it uses. Exit statuses and their meaning:
docs/reference/cli.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from pvsched.cli import exits

# verb -> what it is for. Each verb is the module pvsched.cli.<verb> with main(arguments) -> exit status.
VERBS: dict[str, str] = {
    "run": "run the daemon",
    "status": "what the daemon is doing, in a few lines",
    "top": "the same, live",
    "objects": "list, get, put and verify objects",
    "tasks": "list, show and cancel tasks",
    "events": "what happened, and what happens",
    "config": "show the settings and where they come from; check a file",
    "doctor": "what this kernel and image offer, what is missing, what to add",
    "demo": "see small requests answered while 64 MiB objects are stored",
    "bench": "measure this machine against the peers",
    "completion": "completion for bash, zsh or fish",
    "version": "versions of pvsched, its core and Python",
}
LEADING = {"--json": 0, "--socket": 1}  # options that may also stand before the verb, and how many values they take


def usage() -> str:
    lines = ["usage: pvsched [--json] [--socket PATH] VERB ...", "", "verbs:"]
    lines += [f"  {name:<11} {text}" for name, text in VERBS.items()]
    lines += ["", "pvsched VERB --help tells more. Exit: 0 done, 1 refused or failed, 100 misuse, 111 system."]
    return "\n".join(lines)


def split(arguments: Sequence[str]) -> tuple[list[str], str | None, list[str]]:
    """(options before the verb, the verb or None, what follows it)."""
    leading: list[str] = []
    rest = list(arguments)
    while rest and rest[0].split("=", 1)[0] in LEADING:
        name = rest.pop(0)
        leading.append(name)
        if "=" not in name and LEADING[name] and rest:
            leading.append(rest.pop(0))
    return leading, rest[0] if rest else None, rest[1:]


def mistyped(verb: str | None, arguments: list[str]) -> int:
    """No verb, an option that may not stand before one, or no verb of ours."""
    if verb is None and "--json" not in arguments:
        print(usage(), file=sys.stderr)
        return exits.MISUSE
    from difflib import get_close_matches

    from pvsched.cli.failure import misuse, report

    known: Sequence[str] = list(LEADING) if verb and verb.startswith("-") else list(VERBS)
    near = get_close_matches(verb or "", known, 1)
    what = "option" if verb and verb.startswith("-") else "verb"
    text = f"there is no {what} {verb!r}" if verb is not None else "a verb is missing"
    return report("", arguments, misuse(text, f"did you mean: pvsched {near[0]}" if near else "type: pvsched --help"))


def call(verb: str, arguments: list[str]) -> int:
    name = f"pvsched.cli.{verb}"
    __import__(name)  # importlib would bring 2 ms of its own
    entry: Callable[[list[str]], int] = sys.modules[name].main
    return entry(arguments)


def discard_output() -> None:
    """The reader of our output has gone: nothing more is said, at the exit of the interpreter neither."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def settle_output() -> None:
    """What cannot be written now could not be written at the exit of the interpreter: that would change its status."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()


def guarded(verb: str, arguments: list[str]) -> int:
    """Runs a verb; every way it can end is an exit status and at most one message."""
    try:
        status = call(verb, arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        discard_output()
        return exits.PIPE
    except Exception as problem:
        from pvsched.cli.failure import report

        status = report(verb, arguments, problem)
        settle_output()
        return status


def help_shown() -> int:
    try:
        print(usage(), flush=True)
        return exits.OK
    except BrokenPipeError:
        discard_output()
        return exits.PIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line (sys.argv[1:] if None) and returns its exit status."""
    leading, verb, rest = split(sys.argv[1:] if arguments is None else arguments)
    if verb in ("-h", "--help", "help"):
        return help_shown()
    if verb in ("-V", "--version"):
        verb = "version"
    if verb not in VERBS:
        return mistyped(verb, [*leading, *rest])
    return guarded(verb, [*rest, *leading])
