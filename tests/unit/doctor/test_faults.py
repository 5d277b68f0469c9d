"""The doctor on a kernel that lacks a call, or kills for it: each lack is found, named, and comes with its advice."""

from __future__ import annotations

import errno
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patience import patience

FAULTS = Path(__file__).with_name("faults.py")
# Numbers from 424 on are everybody's; the others are each architecture's own.
OWN = {
    "x86_64": {"prctl": 157, "memfd_create": 319, "signalfd4": 289, "timerfd_create": 283},
    "aarch64": {"prctl": 167, "memfd_create": 279, "signalfd4": 74, "timerfd_create": 85},
    "armv7l": {"prctl": 172, "memfd_create": 385, "signalfd4": 355, "timerfd_create": 350},
}
EVERYBODYS = {"pidfd_send_signal": 424, "pidfd_open": 434, "clone3": 435, "close_range": 436, "openat2": 437}


def number(call: str) -> int:
    table = EVERYBODYS | OWN.get(platform.machine() if sys.maxsize > 1 << 32 else "armv7l", {})
    if call not in table:
        pytest.skip(f"lacks the number of {call} on {platform.machine()}: add it to OWN")
    return table[call]


def doctor(faults: dict[str, str], *options: str) -> tuple[int, dict[str, Any]]:
    """Exit status, and the findings by name."""
    wanted = ",".join(f"{number(call)}={what}" for call, what in faults.items())
    command = [sys.executable, str(FAULTS), wanted, "--", sys.executable, "-m", "pvsched", "doctor", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience(60), check=False)
    assert done.stdout, done.stderr
    return done.returncode, {one["name"]: one for one in json.loads(done.stdout)["findings"]}


def lines(finding: dict[str, Any]) -> list[str]:
    return [advice["line"] for advice in finding["advice"]]


@pytest.mark.parametrize(
    ("call", "what", "name", "cost"),
    [
        ("pidfd_open", str(errno.ENOSYS), "pidfd", "killed by pid"),
        ("pidfd_open", "kill", "pidfd", "killed by pid"),
        ("pidfd_send_signal", str(errno.EPERM), "pidfd", "killed by pid"),
        ("close_range", str(errno.ENOSYS), "close_range", "one by one"),
        ("close_range", "kill", "close_range", "one by one"),
    ],
)
def test_a_call_that_is_not_there_has_a_fallback(call: str, what: str, name: str, cost: str) -> None:
    """The daemon works without; the doctor says how much worse, and what has the call."""
    status, found = doctor({call: what})
    assert (status, found[name]["state"]) == (0, "weaker")
    assert cost in found[name]["cost"]
    filtered = what in ("kill", str(errno.EPERM))
    assert any("seccomp profile" in line for line in lines(found[name])) == filtered
    assert any("or later; no option" in line for line in lines(found[name])) == (not filtered)
    others = {one["name"] for one in found.values() if one["state"] == "missing"}
    assert others == set()


def test_without_memfd_the_line_for_the_kernel_is_named() -> None:
    """/dev/shm stands in."""
    status, found = doctor({"memfd_create": str(errno.ENOSYS)})
    assert (status, found["memfd"]["state"]) == (0, "weaker")
    assert lines(found["memfd"])[0] == "CONFIG_MEMFD_CREATE=y"


def test_without_timers_nothing_works() -> None:
    """What is needed and missing makes the status 1."""
    status, found = doctor({"timerfd_create": str(errno.ENOSYS)})
    assert (status, found["descriptors"]["state"]) == (1, "missing")
    assert found["descriptors"]["cost"] == "the daemon does not start"
    assert "CONFIG_TIMERFD=y" in lines(found["descriptors"])


def test_an_emulator_without_subreapers() -> None:
    """As qemu-user refuses it."""
    status, found = doctor({"prctl": str(errno.EINVAL)})
    assert (status, found["subreaper"]["state"]) == (0, "weaker")
    assert "setsid" in found["subreaper"]["cost"]


def test_what_is_not_used_costs_nothing() -> None:
    """clone3 killed, openat2 refused: said, and harmless."""
    status, found = doctor({"clone3": "kill", "openat2": str(errno.ENOSYS)})
    assert status == 0
    assert (found["clone3"]["state"], found["openat2"]["state"]) == ("absent", "absent")
    assert found["clone3"]["cost"].startswith("nothing")
    assert "SIGSYS" in found["clone3"]["detail"]


def test_a_needed_name_makes_a_lack_a_failure() -> None:
    """--need pidfd: an image's test fails where a fallback would stand in."""
    assert doctor({"pidfd_open": str(errno.ENOSYS)}, "--need", "pidfd")[0] == 1
    status, found = doctor({"clone3": str(errno.ENOSYS)}, "--need", "pidfd,close_range")
    assert status == int(any(found[name]["state"] != "good" for name in ("pidfd", "close_range")))
