"""Starting: where things are, who may start, and what is said when it cannot be."""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import patience
from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import ROOT, DaemonProcess


def test_a_daemon_that_is_ready_answers(daemon: DaemonProcess) -> None:
    """READY comes after the socket is there; the first request is answered."""
    assert daemon.get("/healthz")["status"] == "running"
    assert daemon.get("/healthz")["pid"] == daemon.pid
    assert daemon.stop() == 0
    assert not os.path.lexists(daemon.socket)


def test_the_socket_has_the_mode_of_the_setting(make_daemon: MakeDaemon) -> None:
    """0660 by default, or what control.mode says."""
    first = make_daemon().start()
    assert stat.S_IMODE(first.socket.stat().st_mode) == 0o660
    second = make_daemon(directory="e", config="[control]\nmode = 0o600\n").start()
    assert stat.S_IMODE(second.socket.stat().st_mode) == 0o600


def test_a_second_daemon_is_told_by_whom_the_state_is_held(daemon: DaemonProcess, make_daemon: MakeDaemon) -> None:
    """Exit status 101, the pid of the first, and what to do; the first is not disturbed."""
    second = make_daemon(directory="e")
    second.state = daemon.state
    second.launch()
    assert second.ended() == 101
    assert f"in use by process {daemon.pid}" in second.log
    assert "next: " in second.log
    assert daemon.get("/healthz")["status"] == "running"


def test_a_living_socket_is_not_stolen(daemon: DaemonProcess, make_daemon: MakeDaemon) -> None:
    """Another state directory, the same socket: 101, and the first goes on answering."""
    second = make_daemon(directory="e")
    second.socket = daemon.socket
    second.launch()
    assert second.ended() == 101
    assert daemon.get("/healthz")["pid"] == daemon.pid


def test_a_stale_socket_is_replaced(make_daemon: MakeDaemon) -> None:
    """What a killed daemon left does not keep the next one from starting."""
    daemon = make_daemon()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(daemon.socket))
    daemon.start()
    assert daemon.get("/healthz")["status"] == "running"


def test_a_newer_state_directory_is_refused(make_daemon: MakeDaemon) -> None:
    """Exit status 102, and not a byte of it is changed."""
    daemon = make_daemon()
    daemon.state.mkdir()
    (daemon.state / "format").write_text("pvsched-state 99\n")
    daemon.launch()
    assert daemon.ended() == 102
    assert "format 99" in daemon.log
    assert (daemon.state / "format").read_text() == "pvsched-state 99\n"


@pytest.mark.parametrize(
    ("config", "options", "text"),
    [
        (
            "[scheduler]\nwokers = 1\n",
            (),
            "pvsched.toml:2: scheduler.wokers: unknown key (did you mean scheduler.workers?)",
        ),
        ("", ("--workers", "many"), "--workers: scheduler.workers: expected a whole number, found 'many'"),
        ("", ("--wokers", "1"), "there is no option '--wokers'"),
        ("", ("--workers",), "--workers needs a value"),
    ],
)
def test_a_wrong_configuration_is_told_and_nothing_is_left(
    make_daemon: MakeDaemon, config: str, options: tuple[str, ...], text: str
) -> None:
    """Exit status 100; neither state directory nor socket nor any process."""
    daemon = make_daemon(*options, config=config)
    daemon.launch()
    assert daemon.ended() == 100
    assert text in daemon.log
    assert not daemon.state.exists()
    assert not daemon.socket.exists()
    daemon.wait_until_gone()


@pytest.mark.parametrize("way", ["state", "socket"])
def test_a_place_that_cannot_be_used_is_told(make_daemon: MakeDaemon, way: str) -> None:
    """Exit status 111: the system says no, and we say where."""
    daemon = make_daemon()
    blocked = daemon.directory / "file"
    blocked.write_text("")
    setattr(daemon, way, blocked / "x")
    daemon.launch()
    assert daemon.ended() == 111
    assert str(blocked) in daemon.log


def test_an_ordinary_user_has_a_place_of_their_own(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """XDG_STATE_HOME and XDG_RUNTIME_DIR, without any option."""
    home = tmp_path / "home"
    home.mkdir()
    daemon = make_daemon(environ={"HOME": str(home), "XDG_STATE_HOME": f"{home}/s", "XDG_RUNTIME_DIR": f"{home}/r"})
    daemon.socket = home / "r" / "pvsched" / "pv-ctrl"
    command = [sys.executable, "-m", "pvsched", "run"]
    if os.geteuid() == 0:
        # A user namespace without a mapping: not root, and yet the owner of this test's files.
        command = ["unshare", "--user", *command]
        if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
            pytest.skip("lacks namespaces: unshare --user is refused")
    with daemon.log_path.open("ab") as log:
        daemon.process = subprocess.Popen(command, stdout=log, stderr=log, env=daemon.environ, cwd="/")
    daemon.wait_told("READY=1")
    assert daemon.get("/healthz")["pid"] == daemon.pid
    assert (home / "s" / "pvsched" / "format").exists()
    assert daemon.stop() == 0


def test_what_is_heavy_stays_out_of_the_loop_process(tmp_path: Path) -> None:
    """hashlib, argparse, tomllib, logging and asyncio are for others: the process that stays has none of them."""
    program = (
        "import sys\n"
        "from pvsched.cli import main\n"
        "import pvsched.cli.run as run\n"
        "def stay(self):\n"
        "    heavy = ('hashlib', '_hashlib', 'argparse', 'tomllib', 'tomli', 'logging', 'asyncio', 'difflib', 'ssl')\n"
        "    print([name for name in heavy if name in sys.modules], 'pvsched.config.schema' in sys.modules)\n"
        "    self.close()\n"
        "original = run.run\n"
        "def patched(path, arguments):\n"
        "    import builtins\n"
        "    real = builtins.__import__\n"
        "    def importing(name, *rest, **named):\n"
        "        module = real(name, *rest, **named)\n"
        "        if name == 'pvsched.daemon' and hasattr(sys.modules.get(name), 'Daemon'):\n"
        "            sys.modules[name].Daemon.run = stay\n"
        "        return module\n"
        "    builtins.__import__ = importing\n"
        "    return original(path, arguments)\n"
        "run.run = patched\n"
        "sys.exit(main(['run', '--state', sys.argv[1], '--socket', sys.argv[1] + '/pv-ctrl']))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "s")],
        capture_output=True,
        text=True,
        timeout=patience(60),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "[] False\n"


def test_the_daemon_writes_little(make_daemon: MakeDaemon) -> None:
    """Two small writes at the very first start, one at each later one; counted where an operator can see it."""
    daemon = make_daemon().start()
    assert b"\npvsched_flash_writes_total 2\n" in daemon.ask("GET", "/metrics").body
    assert daemon.stop() == 0
    daemon.start()
    assert b"\npvsched_flash_writes_total 1\n" in daemon.ask("GET", "/metrics").body


def test_without_workers_every_task_runs_in_the_loop(make_daemon: MakeDaemon) -> None:
    """--workers 0, for comparison: no worker process, and objects are stored all the same."""
    daemon = make_daemon("--workers", "0").start()
    body = b"inline"
    sha = hashlib.sha256(body).hexdigest()
    assert daemon.ask("PUT", f"/objects/{sha}", body).status == 200
    assert daemon.get("/objects") == [{"sha256": sha, "size": "6"}]
    assert len(daemon.family()) == 2  # the daemon and its keeper


def test_room_is_made_for_the_connections_that_may_come(make_daemon: MakeDaemon) -> None:
    """The limit of open files is raised, as far as the system allows."""
    daemon = make_daemon(config="[control]\nmax_connections = 2000\n").start(preexec_fn=_few_files)
    limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert int(line.split()[3]) > 2000


def _few_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))


def test_closed_standard_streams_are_no_trap(make_daemon: MakeDaemon) -> None:
    """Started with 0, 1 and 2 closed, no socket gets their numbers, and no log line goes to a client."""
    daemon = make_daemon()
    daemon.process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *daemon.command], env=daemon.environ, cwd=daemon.directory
    )
    daemon.wait_told("READY=1")
    assert [os.readlink(f"/proc/{daemon.pid}/fd/{fd}") for fd in (0, 1, 2)] == ["/dev/null"] * 3
    assert daemon.get("/healthz")["status"] == "running"
    assert daemon.stop() == 0


def test_a_broken_http_parser_is_told(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """A device on which good requests are refused comes up, and its log says why they are."""
    spoil = "import httptools, tests.neon\nhttptools.HttpRequestParser = tests.neon.Refusing\n"
    (tmp_path / "sitecustomize.py").write_text(spoil)
    daemon = make_daemon(environ={"PYTHONPATH": f"{tmp_path}:{ROOT}"}).start()
    assert "httptools refuses good requests here" in daemon.log
    assert "pvsched doctor" in daemon.log
