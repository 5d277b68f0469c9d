"""One thing to look for, what was found, and what follows from it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# What a probe is to pvsched, and what it becomes when it finds nothing.
NEEDED = "needed"  # the daemon does not start, or loses data: `missing`
BETTER = "better"  # a fallback stands in: `weaker`
FEATURE = "feature"  # something that not every device wants is not possible: `absent`
NOTE = "note"  # pvsched does not use it; said for those who ask: `absent`
STATES = {NEEDED: "missing", BETTER: "weaker", FEATURE: "absent", NOTE: "absent"}
GOOD, UNKNOWN = "good", "unknown"

# Where a line of advice belongs.
KERNEL, BOOT, IMAGE, DEBIAN, HERE = "kernel", "boot", "image", "debian", "here"
Advice = tuple[tuple[str, str], ...]  # (where, line)
# For a call that the kernel may well have, and a filter refuses with EPERM, or kills for.
FILTERED: Advice = ((HERE, "allow the call: SystemCallFilter= of the unit, or the container's seccomp profile"),)


class Lacks(Exception):
    """Raised by a probe: it is not there. `advice` and `cost` replace the probe's own where this case is a special one;
    so does `role`.
    """

    def __init__(self, detail: str, *, cost: str = "", advice: Advice = (), role: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.cost = cost
        self.advice = advice
        self.role = role


class CannotTell(Exception):
    """Raised by a probe that may not look: the reason."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`look` returns what it found, in a few words, or raises Lacks, CannotTell or OSError. It runs in a child."""

    name: str
    role: str
    look: Callable[[], str]
    cost: str  # what is weaker, slower or impossible without it
    advice: Advice = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one probe. state: good, weaker, absent, missing, unknown."""

    name: str
    subject: str
    state: str
    detail: str
    cost: str = ""
    advice: Advice = ()

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self.name, "subject": self.subject, "state": self.state, "detail": self.detail}
        if self.state != GOOD:
            found["cost"] = self.cost
            found["advice"] = [{"where": where, "line": line} for where, line in self.advice]
        return found


def outcome(probe: Probe) -> dict[str, Any]:
    """Looks, and says what came of it, as a document that can leave a child process."""
    try:
        return {"state": GOOD, "detail": probe.look()}
    except Lacks as lack:
        role = lack.role or probe.role
        return {"state": STATES[role], "detail": lack.detail, "cost": lack.cost, "advice": lack.advice}
    except CannotTell as reason:
        return {"state": UNKNOWN, "detail": str(reason)}
    except OSError as problem:
        refused = {"advice": FILTERED} if problem.errno == errno.EPERM else {}
        return {"state": STATES[probe.role], "detail": problem.strerror or str(problem), **refused}
    except Exception as problem:  # a defect of the probe says nothing about the machine
        return {"state": UNKNOWN, "detail": f"the probe itself failed: {type(problem).__name__}: {problem}"}


def finding(probe: Probe, subject: str, found: dict[str, Any]) -> Finding:
    """The answer of a child, together with what the table says of such a case."""
    if found["state"] == GOOD:
        return Finding(probe.name, subject, GOOD, found["detail"])
    advice = tuple((where, line) for where, line in found.get("advice") or probe.advice)
    return Finding(probe.name, subject, found["state"], found["detail"], found.get("cost") or probe.cost, advice)
