"""The daemon that the recordings are replayed against: a real `pvsched run`, or whatever answers at the path given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.daemon_process import DaemonProcess


@pytest.fixture(autouse=True)
def no_leaks(socket_path: str) -> Iterator[None]:
    """In place of the check after every test: the daemon outlives the tests of a module, and makes workers as it needs
    them. Their end is checked with its own; here only our descriptors are.
    """
    before = os.listdir("/proc/self/fd")
    yield
    assert os.listdir("/proc/self/fd") == before


@pytest.fixture(scope="module")
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where pv-ctrl answers. PVSCHED_CONFORMANCE_SOCKET names one that runs already (its objects are changed)."""
    given = os.environ.get("PVSCHED_CONFORMANCE_SOCKET")
    if given:
        yield given
        return
    directory: Path = tmp_path_factory.mktemp("daemon")
    daemon = DaemonProcess(directory).start()
    try:
        yield str(daemon.socket)
    finally:
        daemon.close()
