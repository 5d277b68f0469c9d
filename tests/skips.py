"""In CI, as root, a skip is a failure, unless it names something that the kernel or machine may lack.

A test that skips says `pytest.skip("lacks NAME: what was tried")`; only the names below are let through. Elsewhere
(a developer's machine, an ordinary user) a skip stays a skip. Loaded by `tests/conftest.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import Any

import pytest

# What a kernel or a machine of CI may lack, through no fault of ours. No packages: .ci/packages installs them.
MAY_LACK = {
    "atheris",  # on platforms for which PyPI has no wheel; elsewhere .ci/tools installs it
    "cgroup v2",  # a delegated, writable hierarchy
    "cgroup v1",  # the memory and pids controllers as writable hierarchies
    "git history",  # a shallow clone
    "loop devices",
    "LXC",  # and what its containers need: they run in the guests of board/qemu
    "openembedded-core",  # git repositories that the Yocto builds are made from; no package brings them
    "bitbake",
    "mount",  # not permitted in this container
    "namespaces",
    "OOM killer",
    "pidfd",
    "SO_PEERPIDFD",  # Linux 6.5
    "ptrace",  # strace is not permitted here
    "systemd",
    "TSan",  # its shadow memory does not fit this kernel's address space layout
    "sanitizers",  # the compiler has no runtime for them
}
LACKS = re.compile(r"lacks ([^:]+)")


def strict() -> bool:
    """Tell whether a skip counts as a failure here."""
    return os.environ.get("CI") == "true" and os.geteuid() == 0


def reason_of(report: Any) -> str:
    """Return what a skipped report gives as its reason."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def allowed(reason: str) -> bool:
    """Tell whether a reason names something that may be lacking."""
    found = LACKS.search(reason)
    return found is not None and found.group(1).strip() in MAY_LACK


def judge(report: Any) -> None:
    """Turn a skipped report into a failed one where skips are not allowed. Expected failures are left alone."""
    if not strict() or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = reason_of(report)
    if not allowed(reason):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason}\n(one that may be says 'lacks NAME: ...', as in tests/skips.py)"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """Judge a test that skips itself, or is marked to."""
    outcome = yield
    judge(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, None]:
    """Judge a module that skips itself while it is collected."""
    outcome = yield
    judge(outcome.get_result())
