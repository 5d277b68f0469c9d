"""What is wrong with a configuration: one line a finding, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

from pvsched.errors import PvschedError


class Problem:
    """One finding. `place` is a file, a variable or an argument; `line` is 0 where there is none."""

    __slots__ = ("hint", "key", "line", "message", "place")

    def __init__(self, place: str, line: int, key: str, message: str, hint: str = "") -> None:
        self.place = place
        self.line = line
        self.key = key
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.place}:{self.line}" if self.line else self.place
        what = f"{self.key}: {self.message}" if self.key else self.message
        return f"{where}: {what}" + (f" ({self.hint})" if self.hint else "")

    def document(self) -> dict[str, object]:
        """What JSON can say of it."""
        return {"file": self.place, "line": self.line, "key": self.key, "message": self.message, "hint": self.hint}


class ConfigError(PvschedError):
    """The configuration cannot be used. `problems` has every finding; the text has one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
        self.code = "config-invalid"
        found = any(problem.line or problem.key for problem in problems)
        self.hint = "correct it; pvsched config check FILE says whether a file is good" if found else ""
        self.hint = self.hint or "name a file that can be read: pvsched config show --defaults > FILE makes one"


def unreadable(place: str, problem: OSError | UnicodeDecodeError) -> Problem:
    """A file that is not there, may not be read, or is no text."""
    return Problem(place, 0, "", getattr(problem, "strerror", None) or str(problem))


def nearest(name: str, known: Sequence[str]) -> str:
    """`did you mean X?`, or nothing. difflib is imported when somebody has mistyped, and not before."""
    from difflib import get_close_matches

    found = get_close_matches(name, known, 1, 0.6)
    return f"did you mean {found[0]}?" if found else ""
