"""`scheduler.cgroup`: the daemon's tasks in cgroups of their own. Needs cgroup v2 that may be written to."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvsched.delegation import cgroup_of, mount_point
from pvsched.errors import PvschedError
from tests.patience import patience
from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import DaemonProcess

AUTO = '[scheduler]\ncgroup = "auto"\n'
DATA = b"object" * 1000


@pytest.fixture
def service() -> Iterator[Path]:
    """A cgroup as a service manager makes one for a service; all that was made in it must be empty at the end."""
    try:
        path = Path(mount_point()) / f"pvsched-test-{os.getpid()}"
        path.mkdir()
    except (PvschedError, OSError) as problem:
        pytest.skip(f"lacks cgroup v2 that we may write to: {problem}")
    yield path
    until = time.monotonic() + patience(5)
    for folder in sorted(path.rglob("*/"), reverse=True):
        while (folder / "cgroup.procs").read_text() and time.monotonic() < until:
            time.sleep(0.01)
        folder.rmdir()
    path.rmdir()


def started_in(cgroup: Path, daemon: DaemonProcess) -> DaemonProcess:
    """Start it as a service manager does: in the cgroup from its first instruction, its parent outside."""
    daemon.wrapper = ("sh", "-c", f'echo $$ >{cgroup}/cgroup.procs; exec "$@"', "sh")
    return daemon.start()


def put(daemon: DaemonProcess) -> int:
    """Store an object; return the pid of the worker that did it."""
    sha = hashlib.sha256(DATA).hexdigest()
    assert daemon.ask("PUT", f"/objects/{sha}", body=DATA).status == 200
    return daemon.wait_for(lambda: next((pid for pid in daemon.family() if "/pvs-" in cgroup_of(str(pid))), None))


def test_auto_gives_the_tasks_cgroups_beside_the_daemons(service: Path, make_daemon: MakeDaemon) -> None:
    """The daemon and its keeper move into a leaf; a worker is below `tasks`; after the end nobody is in any of them."""
    daemon = started_in(service, make_daemon(config=AUTO))
    worker = put(daemon)
    assert cgroup_of(str(daemon.pid)) == f"/{service.name}/daemon"
    assert cgroup_of(str(worker)).startswith(f"/{service.name}/tasks/pvs-")
    assert (service / "cgroup.procs").read_text() == ""
    assert daemon.stop() == 0


def test_auto_without_a_cgroup_of_its_own_is_a_warning(service: Path, make_daemon: MakeDaemon) -> None:
    """Started by somebody who is in the same cgroup, it moves nobody, says so, and serves."""
    inside = make_daemon(config=AUTO)
    inside.wrapper = ("sh", "-c", f'echo $$ >{service}/cgroup.procs; "$@" & trap "kill $!" TERM; wait; wait', "sh")
    inside.start()
    sha = hashlib.sha256(DATA).hexdigest()
    assert inside.ask("PUT", f"/objects/{sha}", body=DATA).status == 200
    assert "no cgroup for tasks" in inside.log
    assert list(service.rglob("*/")) == []


def test_a_folder_that_is_no_cgroup_is_refused(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """A path is meant: the daemon does not start without it, and says what to do."""
    daemon = make_daemon(config=f'[scheduler]\ncgroup = "{tmp_path}"\n')
    assert daemon.launch().wait(patience(30)) == 111
    assert "cannot hold the tasks' cgroups" in daemon.log
