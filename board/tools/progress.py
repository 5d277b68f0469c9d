"""What a person who waits sees: one line a step on stderr, and a clear end when something is missing."""

from __future__ import annotations

import sys
import time

BEGAN = time.monotonic()


class Failure(Exception):
    """Something that a person has to know and can act on; `hint` is the next thing to do, `code` the exit status."""

    def __init__(self, text: str, hint: str = "", code: int = 111) -> None:
        super().__init__(text)
        self.hint = hint
        self.code = code


def say(text: str) -> None:
    """Tell what begins now, with the seconds since the script began."""
    print(f"[{time.monotonic() - BEGAN:6.1f} s] {text}", file=sys.stderr, flush=True)


def tell(name: str, failure: Failure) -> int:
    """Show why a script ends; return its exit status."""
    print(f"{name}: {failure}", file=sys.stderr)
    if failure.hint:
        print(f"  next: {failure.hint}", file=sys.stderr)
    return failure.code
