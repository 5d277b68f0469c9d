"""Which of the project's tests run in a guest, and how long they may take there."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

# An emulated core is some thirty times slower than the host's: times that a test gives up after are stretched by this.
PATIENCE = 10
TEST_LIMIT = 300 * PATIENCE  # seconds, for each test
WHOLE_LIMIT = 3 * 3600.0
QUICK_LIMIT = 600.0
AMOUNTS = 0.25  # of what the C programs repeat (PVSCHED_SCALE): the whole of it takes an emulated core hours
MEMORY = 2048  # MB: the tests' files are in memory

# Needs what a guest has not: compilers, Git's index, the documentation's tools, the network.
LEFT_OUT = ("tests/board", "tests/benchmarks", "tests/c/test_fuzz.py", "tests/unit/test_docs.py")
WHOLE = ("tests/c", "tests/unit", "tests/scenario", "tests/fault", "tests/conformance")
# What depends on the kernel and the processor: every C program, cgroups, deaths and deadlines, objects, one scenario.
QUICK = (
    "tests/c/test_c.py",
    "tests/unit/scheduler/test_cgroup.py",
    "tests/unit/scheduler/test_outcome.py::test_a_success_has_every_field_in_every_executor",
    "tests/unit/scheduler/test_cancel.py::test_the_tree_dies_with_its_task",
    "tests/unit/objects/test_store.py",
    "tests/unit/control/test_http.py",
    "tests/scenario/test_lxc.py",
)


def limit(quick: bool) -> float:
    """Return the seconds that the whole run may take."""
    return QUICK_LIMIT if quick else WHOLE_LIMIT


def named(more: Sequence[str]) -> list[str]:
    """Return the tests that pytest's arguments name; they are run in place of a set."""
    return [word for word in more if word.startswith("tests/")]


def needs_programs(more: Sequence[str]) -> bool:
    """Tell whether the C programs are among what is run."""
    return not named(more) or any(word.startswith("tests/c/") or word == "tests/c" for word in named(more))


def command(quick: bool, more: Sequence[str], amounts: float = AMOUNTS) -> str:
    """Return the guest's command: the whole suites or the chosen set, or what `more` names, with pytest's options."""
    chosen = [] if named(more) else list(QUICK if quick else WHOLE)
    skipped = [f"--ignore={path}" for path in LEFT_OUT]
    marks = ["-m", "not slow and not board"] if quick else ["-m", "not board"]
    shown = ["-rsxfE", "--durations=15", f"--color={'yes' if sys.stdout.isatty() else 'no'}"]
    limits = ["-o", f"timeout={TEST_LIMIT}", "-o", f"faulthandler_timeout={2 * TEST_LIMIT}"]
    options = [*limits, *shown, *([] if "-m" in more else marks)]
    words = shlex.join([*options, *skipped, *chosen, *more])
    # of the soak at length a tenth of that: an hour of a processor is a day here
    given = f"PVSCHED_SCALE={amounts} PVSCHED_SOAK={max(1, round(10 / amounts))} PVSCHED_PATIENCE={PATIENCE}"
    return f"{given} sh /src/board/guest/tests {words}"
