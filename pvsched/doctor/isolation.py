"""Probes run one after another in a forked child. One that dies of its probe, or hangs, is replaced by another child,
which goes on with the next probe: so all of them cost one fork, unless something is wrong.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Sequence
from typing import Any

from pvsched.doctor.probe import FILTERED, STATES, Probe, outcome

PATIENCE = 15.0  # seconds that one probe may take; on an emulated board the first import takes 3
LOOK = 0.2  # seconds between two looks whether a silent child still lives


def looked(probes: Sequence[Probe], patience: float = PATIENCE) -> list[dict[str, Any]]:
    """What came of each probe, in their order (see probe.outcome)."""
    found: list[dict[str, Any]] = []
    while len(found) < len(probes):
        rest = probes[len(found) :]
        with Child(rest) as child:
            answers = child.answers(patience)
        found += answers
        if len(answers) < len(rest):
            end = {"state": STATES[rest[len(answers)].role], "detail": child.end}
            found.append({**end, "advice": FILTERED} if child.filtered else end)
    return found


class Child:
    """A process that looks, and says what it found: a line of JSON a probe."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self.end = ""  # why it gave no further answer
        self.filtered = False  # whether that was a seccomp filter
        self._expected = len(probes)
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            self._look(probes, writer)
        os.close(writer)

    @staticmethod
    def _look(probes: Sequence[Probe], writer: int) -> None:
        try:
            os.setpgid(0, 0)
            for probe in probes:
                os.write(writer, json.dumps(outcome(probe)).encode() + b"\n")
        finally:
            os._exit(0)

    def answers(self, patience: float) -> list[dict[str, Any]]:
        """All that it says before it dies, is done, or takes too long for one."""
        said = b""
        until = time.monotonic() + patience
        while said.count(b"\n") < self._expected:
            dead = self._dead()  # asked before the look at the pipe, which then has all that it said
            wait = 0.0 if dead else min(LOOK, max(0.0, until - time.monotonic()))
            if not select.select([self._reader], [], [], wait)[0]:
                if dead:
                    break
                if time.monotonic() < until:
                    continue
                self.end = f"no answer within {patience:g} s"
                break
            more = os.read(self._reader, 65536)
            if not more:
                break
            said += more
            until = time.monotonic() + patience
        return [json.loads(line) for line in said.splitlines(keepends=True) if line.endswith(b"\n")]

    def _dead(self) -> bool:
        """Whether it has ended. The end of the pipe does not tell: what a probe has forked may hold it open."""
        return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *ignored: object) -> None:
        os.close(self._reader)
        for kill in (os.killpg, os.kill):  # the group is not there if it was killed before it made one
            try:
                kill(self._pid, signal.SIGKILL)
            except OSError:
                continue
        status = os.waitpid(self._pid, 0)[1]
        if not self.end:
            signalled = os.WIFSIGNALED(status)
            self.filtered = signalled and os.WTERMSIG(status) == signal.SIGSYS
            self.end = "killed by " + _signal_name(os.WTERMSIG(status)) if signalled else "left without a word"


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return name + (": a seccomp filter forbids it" if number == signal.SIGSYS else "")
