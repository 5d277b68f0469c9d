"""What a command says when it fails: what failed, why, and what to type next."""

from __future__ import annotations

import sys

from pvsched.cli import exits
from pvsched.errors import PvschedError


class CommandError(PvschedError):
    """A failure that the person at the terminal can do something about.

    code: stable, lower-case with hyphens. hint: the next thing to do. status: exit status (see exits.py).
    """

    def __init__(self, text: str, *, code: str, hint: str = "", status: int = exits.FAILED) -> None:
        super().__init__(text, code=code, hint=hint)
        self.text = text
        self.status = status


def misuse(text: str, hint: str) -> CommandError:
    return CommandError(text, code="misuse", hint=hint, status=exits.MISUSE)


def system(text: str, hint: str, *, code: str = "system") -> CommandError:
    return CommandError(text, code=code, hint=hint, status=exits.SYSTEM)


def describe(problem: BaseException) -> CommandError:
    """Any exception as a CommandError. One that we did not foresee is a defect of ours, and says so."""
    if isinstance(problem, CommandError):
        return problem
    if isinstance(problem, PvschedError):
        return CommandError(str(problem), code=problem.code, hint=problem.hint)
    if isinstance(problem, OSError):
        where = f" ({problem.filename})" if problem.filename else ""
        return system(f"{problem.strerror or problem}{where}", "check the path, its owner, and the space left: df -h")
    return CommandError(
        f"internal error: {type(problem).__name__}: {problem}",
        code="internal",
        hint="this is a defect of pvsched; PVSCHED_TRACEBACK=1 in front of the command shows where",
    )


def report(verb: str, arguments: list[str], problem: BaseException) -> int:
    """Prints the failure to stderr (as JSON where --json was given) and returns the exit status. `verb` may be ""."""
    import os

    failure = describe(problem)
    if os.environ.get("PVSCHED_TRACEBACK"):
        import traceback

        traceback.print_exception(type(problem), problem, problem.__traceback__)
    if "--json" in arguments:
        import json

        document = {"Error": failure.text, "code": failure.code, "hint": failure.hint}
        print(json.dumps(document), file=sys.stderr)
    else:
        print(f"{f'pvsched {verb}'.rstrip()}: {failure.text}", file=sys.stderr)
        if failure.hint:
            print(f"  next: {failure.hint}", file=sys.stderr)
    return failure.status
