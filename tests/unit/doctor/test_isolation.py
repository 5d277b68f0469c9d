"""Probes that die, hang, or break: the others give their answers, and the caller is not harmed."""

from __future__ import annotations

import os
import signal
import time

from pvsched.doctor.isolation import looked
from pvsched.doctor.probe import BETTER, FEATURE, NEEDED, CannotTell, Lacks, Probe, finding, outcome


def probe(look: object, role: str = BETTER, **keywords: object) -> Probe:
    return Probe("thing", role, look, "it is slower", (("kernel", "CONFIG_THING=y"),), **keywords)  # type: ignore[arg-type]


def die() -> str:
    os.kill(os.getpid(), signal.SIGSYS)
    return "never said"


def hang() -> str:
    time.sleep(60)
    return "never said"


def leave() -> str:
    os._exit(3)


def good() -> str:
    return "there"


def test_the_answers_come_in_their_order_from_one_child() -> None:
    """Each probe's word, and nothing of it happens in this process."""
    here = os.getpid()
    found = looked([probe(lambda n=n: f"{n} {os.getppid() == here}") for n in range(5)])  # type: ignore[misc]
    assert found == [{"state": "good", "detail": f"{n} True"} for n in range(5)]


def test_a_probe_that_is_killed_lacks_and_the_next_one_answers() -> None:
    """A seccomp filter that kills is a lack with a reason."""
    found = looked([probe(good), probe(die), probe(good), probe(leave), probe(good)])
    assert [one["state"] for one in found] == ["good", "weaker", "good", "weaker", "good"]
    assert found[1]["detail"] == "killed by SIGSYS: a seccomp filter forbids it"
    assert "SystemCallFilter=" in found[1]["advice"][0][1]
    assert found[3] == {"state": "weaker", "detail": "left without a word"}


def test_a_probe_that_is_killed_with_a_child_of_its_own_is_not_waited_for() -> None:
    """The child holds the pipe; that the probe is dead is seen all the same, and why."""

    def die_with_a_child() -> str:
        if os.fork() == 0:
            time.sleep(60)
        return die()

    began = time.monotonic()
    found = looked([probe(good), probe(die_with_a_child), probe(good)], patience=30)
    assert [one["state"] for one in found] == ["good", "weaker", "good"]
    assert "SIGSYS" in found[1]["detail"]
    assert time.monotonic() - began < 20


def test_a_probe_that_hangs_is_ended() -> None:
    """With what it has started; it costs its patience, and the rest goes on."""
    read, write = os.pipe()

    def hang_with_a_child() -> str:
        os.close(read)
        os.set_inheritable(write, True)
        if os.fork() == 0:
            time.sleep(60)
        return hang()

    began = time.monotonic()
    found = looked([probe(hang_with_a_child, NEEDED), probe(good)], patience=2)
    assert [one["state"] for one in found] == ["missing", "good"]
    assert found[0]["detail"] == "no answer within 2 s"
    os.close(write)
    assert os.read(read, 1) == b"", "a grandchild holds the pipe"
    os.close(read)
    assert time.monotonic() - began < 20


def test_what_a_probe_raises_is_its_answer() -> None:
    """A lack, an error of the system, a reason not to look, and a defect of the probe."""

    def raising(problem: Exception) -> Probe:
        def look() -> str:
            raise problem

        return probe(look, FEATURE)

    assert outcome(raising(OSError(38, "Function not implemented")))["state"] == "absent"
    assert outcome(raising(CannotTell("needs root"))) == {"state": "unknown", "detail": "needs root"}
    special = outcome(raising(Lacks("no", cost="all", advice=(("here", "do"),), role=NEEDED)))
    assert special == {"state": "missing", "detail": "no", "cost": "all", "advice": (("here", "do"),)}
    broken = outcome(raising(ValueError("oops")))
    assert (broken["state"], "ValueError: oops" in broken["detail"]) == ("unknown", True)


def test_the_tables_cost_and_advice_stand_where_the_probe_has_none() -> None:
    """What is special in a case comes first."""
    plain = finding(probe(good), "x", {"state": "weaker", "detail": "no"})
    assert (plain.cost, plain.advice) == ("it is slower", (("kernel", "CONFIG_THING=y"),))
    special = finding(probe(good), "x", {"state": "weaker", "detail": "no", "cost": "c", "advice": [["boot", "b"]]})
    assert (special.cost, special.advice) == ("c", (("boot", "b"),))
    fine = finding(probe(good), "x", {"state": "good", "detail": "yes"})
    assert (fine.cost, fine.advice) == ("", ())
