"""The ends of the scripts in board/: an exit status and a line for every way in which one may end."""

from __future__ import annotations

import fcntl
import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from board.tools import cache, commandline, host, yocto_target
from board.tools.progress import Failure


@pytest.fixture(autouse=True)
def own_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pytest's handling of SIGTERM alone."""
    monkeypatch.setattr(commandline.signal, "signal", lambda *_: None)


def refuse(error: BaseException) -> Callable[[list[str]], int]:
    """Return a `main` that ends with an error."""

    def main(_: list[str]) -> int:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Failure("wrong", "next", 100), 100),
        (PermissionError(13, "Permission denied", "/kept"), 111),
        (FileNotFoundError(2, "No such file or directory", "apt-config"), 111),
        (subprocess.TimeoutExpired(["apt-get"], 900), 111),
        (subprocess.CalledProcessError(2, ["tar"]), 111),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_script_never_ends_with_a_traceback(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the system refuses is told in a line, with 111: 1 would say that something was found."""
    with pytest.raises(SystemExit) as ended:
        commandline.run("board/script", refuse(error))
    assert ended.value.code == status
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert status == 130 or said.startswith(f"board/script: {error}")


def test_a_defect_still_shows_where_it_is() -> None:
    """An error of ours is no refusal: its traceback is what a maintainer wants."""
    with pytest.raises(KeyError):
        commandline.run("board/script", refuse(KeyError("x")))


def test_a_cache_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not write below the tree learns of the variable that names another folder."""
    monkeypatch.setenv("PVSCHED_BOARD_CACHE", "/proc/there-is-none")
    with pytest.raises(Failure) as caught:
        cache.home()
    assert "PVSCHED_BOARD_CACHE=" in caught.value.hint
    assert caught.value.code == 111


@pytest.mark.parametrize(
    "words",
    [
        ["check-layer", "--layer", "{empty}"],
        ["check-layer", "--layer", "/nonexistent"],
        ["bitbake-offline", "--oe-core", "{empty}", "--bitbake", "{empty}", "--with-layer", "{empty}"],
    ],
)
def test_a_folder_that_is_no_layer_is_misuse(words: list[str], tmp_path: Path) -> None:
    """A check of nothing finds nothing: it would say that all is well."""
    script, *rest = (word.format(empty=tmp_path) for word in words)
    command = [sys.executable, str(cache.ROOT / "board" / script), *rest]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (100, "")
    assert "is no layer" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["power-cuts", "--json", "/nonexistent/result"],
        ["power-cuts", "--json", "{empty}"],
        ["power-cuts", "--cuts", "0"],
        ["build-wheels", "x86_64", "--python", "3.13"],
        ["small-board", "--markdown", "/nonexistent/result"],
        ["small-board", "--sizes", "64,x"],
        ["small-board", "--sizes", "0"],
        ["small-board", "--memory", "0"],
        ["small-board", "--seconds", "0"],
    ],
)
def test_what_a_long_run_would_end_with_is_seen_at_once(words: list[str], tmp_path: Path) -> None:
    """A result that cannot be written, or sizes that are none, are misuse before a guest starts."""
    script, *rest = (word.format(empty=tmp_path) for word in words)
    command = [sys.executable, str(cache.ROOT / "board" / script), *rest]
    environment = {**os.environ, "PVSCHED_BOARD_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert (done.returncode, done.stdout) == (100, "")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_is_no_repository_is_misuse(tmp_path: Path) -> None:
    """It is not told to fetch a branch into what git does not know."""
    for place in (tmp_path, tmp_path / "not-there"):
        with pytest.raises(Failure, match="is no git repository") as caught:
            yocto_target.checkout(place, "scarthgap")
        assert caught.value.code == 100


def test_who_waits_for_another_script_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second one says for what it waits, and goes on when the first has ended."""
    monkeypatch.setenv("PVSCHED_BOARD_CACHE", str(tmp_path))
    order = []

    def second() -> None:
        with cache.locked("thing"):
            order.append("second")

    waiting = threading.Thread(target=second)
    with cache.locked("thing"):
        waiting.start()
        said = ""
        while "waiting for another script, which has thing" not in said and waiting.is_alive():
            said += capsys.readouterr().err
        order.append("first")
    waiting.join(20)
    assert order == ["first", "second"]


def test_two_builds_in_one_folder_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its configuration and its layers are one build's until the packages are out: both machines share the folder."""
    monkeypatch.setenv("PVSCHED_BOARD_CACHE", str(tmp_path))
    loader = importlib.machinery.SourceFileLoader("bitbake_offline", str(cache.ROOT / "board" / "bitbake-offline"))
    spec = importlib.util.spec_from_loader("bitbake_offline", loader)
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    held = []

    def note() -> bool:
        with (tmp_path / "locks" / "yocto-work-scarthgap").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(False)
            except BlockingIOError:
                held.append(True)
        return True

    class Build(script.Build):  # type: ignore[name-defined, misc]
        """A build that only notes whether its folder is its own."""

        prepare = collect = lambda self: note()
        run = lambda self, *words: note()  # noqa: E731

    monkeypatch.setattr(script, "Build", Build)
    monkeypatch.setattr(yocto_target, "checkout", lambda *words: tmp_path)
    for name in ("recipes", "sdists", "release", "target_root"):
        monkeypatch.setattr(script.yocto_sources, name, lambda *words: [])
    options = script.arguments().parse_args(["--oe-core", "x", "--bitbake", "x"])
    for machine in yocto_target.MACHINES.values():
        script.build(options, yocto_target.RELEASES["scarthgap"], machine)
    assert held == [True] * 6


def alive(pid: int) -> bool:
    """Tell whether a process is there, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_is_an_end_past_every_finally(number: signal.Signals, status: int, tmp_path: Path) -> None:
    """kill, a terminal that goes and Ctrl-C leave neither a child nor a folder that was to go."""
    script = tmp_path / "script"
    script.write_text(
        "import signal\nfrom pathlib import Path\nfrom board.tools import commandline, host\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, and SIGINT in the background\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"def main(_):\n    try:\n        host.run(['sh', '-c', 'echo $$ >{tmp_path}/pid; sleep 100; :'], 90)\n"
        f"    finally:\n        Path('{tmp_path}/tidy').touch()\n"
        "commandline.run('board/script', main)\n"
    )
    with subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": str(cache.ROOT)}) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(30) == status
    assert (tmp_path / "tidy").exists()
    assert not alive(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["obeys", "ignores SIGTERM"])
def test_what_a_command_started_ends_with_it(trap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit ends the whole of a command, children that hold its output included."""
    monkeypatch.setattr(host, "GRACE", 0.5)
    script = f"{trap}(sleep 100; :) & echo $! >{tmp_path}/pid; wait"
    with pytest.raises(Failure, match="sh did not end within 1 s"):
        host.run(["sh", "-c", script], 1)
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)


def test_ruff_reads_every_script() -> None:
    """A script without an ending is seen by name alone."""
    folder = cache.ROOT / "board"
    scripts = [
        path for path in folder.iterdir() if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env py")
    ]
    assert len(scripts) > 5
    named = (folder / "ruff.toml").read_text()
    assert [path.name for path in scripts if f'"{path.name}"' not in named] == []
