"""What /proc says of a process and its descendants."""

from __future__ import annotations

import os
import subprocess
import sys

from pvsched.bench.family import descendants, parent, pss, rss, wakeups

SCRIPT = """
import subprocess, sys
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
child.wait()
"""


def test_descendants_are_found_below_a_process() -> None:
    """A child and its child, and not us."""
    child = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    assert descendants(child.pid) == [child.pid, grandchild]
    assert parent(child.pid) == os.getpid()
    child.communicate()
    assert descendants(child.pid) == [child.pid]


def test_a_process_weighs_something_and_nobody_nothing() -> None:
    """PSS is at most RSS; a pid that is gone counts as nothing."""
    assert 0 < pss([os.getpid()]) <= rss(os.getpid()) + (1 << 20)
    child = subprocess.Popen(["true"])
    child.wait()
    assert (pss([child.pid]), wakeups([child.pid])) == (0, 0)


def test_a_process_that_sleeps_has_woken() -> None:
    """Context switches are counted over all threads."""
    assert wakeups([os.getpid()]) > 0
