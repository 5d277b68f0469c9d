"""`pvsched config`: what it shows is a file that it finds good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvsched.cli import exits, main


@pytest.mark.parametrize("option", [[], ["--defaults"], ["--origin"]], ids=["show", "defaults", "origin"])
def test_what_is_shown_can_be_used_as_a_file(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`config show > FILE; config check FILE` finds nothing wrong."""
    assert main(["config", "show", *option]) == exits.OK
    path = tmp_path / "shown.toml"
    path.write_text(capsys.readouterr().out)
    assert main(["config", "check", str(path)]) == exits.OK, capsys.readouterr().out


def test_check_names_file_line_key_and_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped key is told with its place and what was probably meant; the status is 1."""
    path = tmp_path / "wrong.toml"
    path.write_text("[scheduler]\nworkrs = 3\n")
    assert main(["config", "check", str(path)]) == exits.FAILED
    line = capsys.readouterr().out
    assert line.startswith(f"{path}:2: scheduler.workrs: ")
    assert "scheduler.workers" in line


def test_origin_says_where_a_value_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value of the file and one of the environment name their sources; --changed leaves the others out."""
    path = tmp_path / "some.toml"
    path.write_text("[scheduler]\npolicy = 'fair'\n")
    monkeypatch.setenv("PVSCHED_WORKERS", "3")
    assert main(["config", "show", "--config", str(path), "--json", "--changed"]) == exits.OK
    shown = json.loads(capsys.readouterr().out)
    assert shown["scheduler.policy"]["origin"] == f"file:{path}:2"
    assert shown["scheduler.workers"]["origin"] == "environment:PVSCHED_WORKERS"
    assert "log.level" not in shown


def test_a_secret_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The value of a secret key appears nowhere."""
    path = tmp_path / "secret.toml"
    path.write_text("[pantavisor]\nPH_CREDS_SECRET = 'hunter2'\n")
    for options in ([], ["--json"], ["--origin"]):
        assert main(["config", "show", "--config", str(path), *options]) == exits.OK
    assert "hunter2" not in capsys.readouterr().out


def test_a_file_that_is_wrong_is_told_with_its_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`config show` of an unusable file fails with the findings, not with a traceback."""
    path = tmp_path / "wrong.toml"
    path.write_text("[scheduler\n")
    assert main(["config", "show", "--config", str(path)]) == exits.FAILED
    assert str(path) in capsys.readouterr().err
