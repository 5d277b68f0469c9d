"""The entry: verbs, leading options, statuses, a closed pipe, Ctrl-C; and that a verb imports only what it needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import pvsched.cli
from pvsched.cli import VERBS, exits, main
from tests.patience import patience

COMMAND = [sys.executable, "-m", "pvsched"]


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=patience(60), check=False, **options
    )


def test_no_verb_is_misuse_and_help_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a verb the usage goes to stderr with status 100; --help prints it with 0."""
    assert main([]) == exits.MISUSE
    assert main(["--help"]) == exits.OK
    captured = capsys.readouterr()
    assert captured.out == captured.err
    assert all(verb in captured.out for verb in VERBS)


def test_an_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error gets the verb that was probably meant."""
    assert main(["statsu"]) == exits.MISUSE
    assert "pvsched status" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text", "hint"),
    [
        (["--json", "statsu"], "there is no verb 'statsu'", "did you mean: pvsched status"),
        (["statsu", "--json"], "there is no verb 'statsu'", "did you mean: pvsched status"),
        (["--jsno", "status", "--json"], "there is no option '--jsno'", "did you mean: pvsched --json"),
        (["--json"], "a verb is missing", "type: pvsched --help"),
    ],
)
def test_what_comes_before_a_verb_fails_as_json_too(
    capsys: pytest.CaptureFixture[str], arguments: list[str], text: str, hint: str
) -> None:
    """With --json a script reads one document, whatever was typed wrong."""
    assert main(arguments) == exits.MISUSE
    captured = capsys.readouterr()
    assert json.loads(captured.err) == {"Error": text, "code": "misuse", "hint": hint}
    assert captured.out == ""


def test_options_may_stand_before_the_verb(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """--json and --socket work on both sides of the verb."""
    daemon.json("GET", "/objects", [])
    os.environ.pop("PVSCHED_SOCKET")
    assert main(["--json", f"--socket={daemon.path}", "objects", "ls"]) == exits.OK
    assert main(["--socket", daemon.path, "objects", "ls", "--json"]) == exits.OK
    assert capsys.readouterr().out == "[]\n[]\n"


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"run"}))
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help of every verb prints its usage and ends with 0."""
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    assert f"usage: pvsched {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"run"}))
def test_a_wrong_option_is_misuse(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option ends with 100 and says what to type."""
    assert main([verb, "--no-such-option"]) == exits.MISUSE
    assert "--help" in capsys.readouterr().err


def test_errors_are_json_where_json_was_asked_for(nobody: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json a failure is one document on stderr, with the daemon's own three fields."""
    assert main(["status", "--json"]) == exits.SYSTEM
    captured = capsys.readouterr()
    assert captured.out == ""
    assert set(json.loads(captured.err)) == {"Error", "code", "hint"}


def test_a_defect_is_one_message_and_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception that nobody foresaw ends with 1 and tells how to see more."""

    def broken(arguments: list[str]) -> int:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(sys.modules, "pvsched.cli.version", types.SimpleNamespace(main=broken))
    assert main(["version"]) == exits.FAILED
    assert "ZeroDivisionError: oops" in capsys.readouterr().err


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """KeyboardInterrupt is status 130 and says nothing."""

    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(pvsched.cli, "call", lambda verb, arguments: interrupted(arguments))
    assert main(["version"]) == exits.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_sigint_to_a_waiting_command_is_status_130(daemon: Any, tmp_path: Path) -> None:
    """Ctrl-C while the daemon has not answered yet leaves at once, without a traceback."""
    daemon.answers["GET", "/objects"] = lambda client, head, rest: not client.recv(1)
    process = subprocess.Popen([*COMMAND, "objects", "ls"], stderr=subprocess.PIPE)
    while not daemon.requests:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=patience(30))
    assert (process.returncode, error) == (exits.INTERRUPTED, b"")


def test_a_reader_that_left_is_status_141(daemon: Any) -> None:
    """A closed pipe ends the command without a message (as in `pvsched objects ls | head`)."""
    daemon.json("GET", "/objects", [{"sha256": f"{n:064x}", "size": "1"} for n in range(5000)])
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as out:
        done = subprocess.run(
            [*COMMAND, "objects", "ls"], stdout=out, stderr=subprocess.PIPE, timeout=patience(60), check=False
        )
    assert (done.returncode, done.stderr) == (exits.PIPE, b"")


def test_help_for_a_reader_that_left_is_status_141() -> None:
    """`pvsched --help | head -1` says nothing on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as out:
        done = subprocess.run(
            [*COMMAND, "--help"], stdout=out, stderr=subprocess.PIPE, timeout=patience(60), check=False
        )
    assert (done.returncode, done.stderr) == (exits.PIPE, b"")


def test_a_full_disk_is_a_system_error(daemon: Any) -> None:
    """Output that cannot be written is status 111 and says so."""
    daemon.json("GET", "/objects", [])
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "objects", "ls"], stdout=full, stderr=subprocess.PIPE, timeout=patience(60), check=False
        )
    assert done.returncode == exits.SYSTEM
    assert b"No space left" in done.stderr


def test_a_verb_imports_only_what_it_needs() -> None:
    """`status` loads neither the core, nor hashing, nor typing, nor what makes asyncio slow to start."""
    heavy = [
        "pvsched._core",
        "pvsched.scheduler",
        "hashlib",
        "asyncio",
        "http.client",
        "email",
        "subprocess",
        "ssl",
        "typing",
    ]
    code = (
        "import sys, pvsched.cli; pvsched.cli.main(['status', '--socket', '/nonexistent']);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=patience(60), check=True
    )
    assert done.stdout == "[]\n"


def test_usage_imports_no_argparse() -> None:
    """`pvsched --help` costs no argument parser."""
    code = "import sys, pvsched.cli; pvsched.cli.main(['--help']); sys.exit('argparse' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=patience(60), check=False).returncode
        == 0
    )


def test_version_is_the_packages_own() -> None:
    """`pvsched --version` begins with name and version, and --json has the same."""
    assert run("--version").stdout.startswith(f"pvsched {pvsched.__version__} ")
    assert json.loads(run("version", "--json").stdout)["pvsched"] == pvsched.__version__
