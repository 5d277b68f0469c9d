"""A daemon for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenario.daemon_process import DaemonProcess

MakeDaemon = Callable[..., DaemonProcess]


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[MakeDaemon]:
    """Makes daemons that are not started yet; after the test none of them, and nothing of theirs, may be left."""
    made: list[DaemonProcess] = []

    def make(
        *options: str, directory: str = "d", config: str = "", environ: dict[str, str] | None = None
    ) -> DaemonProcess:
        made.append(DaemonProcess(tmp_path / directory, *options, config=config, environ=environ))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> DaemonProcess:
    """One that is ready."""
    return make_daemon().start()
