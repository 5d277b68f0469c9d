"""`pvsched bench`: topics, what breaks, what is written; the measurements themselves are in tests/benchmarks."""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from pvsched.bench.rows import Effort, Row, Target, alone
from pvsched.cli import exits, main
from pvsched.cli.bench import TOPICS, replace

Maker = Callable[[Effort], "list[Row]"]


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command may set a signal handler and PYTHONPATH: it owns its process. This one it does not own."""
    monkeypatch.setattr("pvsched.cli.bench.clean_up_on_sigterm", lambda: None)
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))


def topic(monkeypatch: pytest.MonkeyPatch, name: str, rows: Maker) -> None:
    """Puts a measurement of the test in the place of a topic's module."""
    monkeypatch.setitem(sys.modules, f"pvsched.bench.{name}", types.SimpleNamespace(rows=rows))


def one_row(effort: Effort) -> list[Row]:
    return [alone("queue", "rounds asked", "", [float(effort.rounds)], Target(3.0, of="value"))]


def breaks(effort: Effort) -> list[Row]:
    raise RuntimeError("no luck")


def test_every_topic_is_a_module_with_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """--list names each topic, and each can be imported without its peers being installed."""
    from importlib import import_module

    assert main(["bench", "--list"]) == exits.OK
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(TOPICS)
    assert all(callable(import_module(f"pvsched.bench.{name}").rows) for name in listed)


def test_an_unknown_topic_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    """It says how to list those that there are."""
    assert main(["bench", "--only", "quue"]) == exits.MISUSE
    assert "pvsched bench --list" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--json", "--markdown"])
def test_a_file_that_cannot_be_written_is_told_before_measuring(
    option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is not there, or stands in the file's place: misuse, and nothing was measured."""
    topic(monkeypatch, "queue", breaks)
    assert main(["bench", "--only", "queue", option, str(tmp_path / "no" / "result")]) == exits.MISUSE
    assert f"mkdir -p {tmp_path}/no" in (said := capsys.readouterr().err)
    assert main(["bench", "--only", "queue", option, str(tmp_path)]) == exits.MISUSE
    assert "broke off" not in said + capsys.readouterr().err


def test_a_link_stays_one_and_a_file_needs_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """/dev/stdout with a file behind it is a link that root must not lose; a plain file is made anew in its folder."""
    (tmp_path / "behind").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "behind")
    replace(str(tmp_path / "link"), "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "behind").read_text() == "new"
    topic(monkeypatch, "queue", breaks)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path))
    assert main(["bench", "--only", "queue", "--json", str(tmp_path / "behind")]) == exits.MISUSE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["behind", "link"]


def test_the_table_and_the_file_say_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json FILE writes the document beside the table; --quick does 3 rounds."""
    topic(monkeypatch, "queue", one_row)
    path = tmp_path / "result.json"
    assert main(["bench", "--quick", "--only", "queue", "--json", str(path)]) == exits.OK
    assert "1 targets: 0 stretch, 1 met, 0 missed" in capsys.readouterr().out
    row = json.loads(path.read_text())["rows"][0]
    assert (row["ours"], row["verdict"]) == (3.0, "met")


def test_json_alone_is_the_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--json without a file prints the document and no table."""
    topic(monkeypatch, "queue", one_row)
    assert main(["bench", "--rounds", "9", "--only", "queue", "--json"]) == exits.OK
    assert json.loads(capsys.readouterr().out)["rows"][0]["verdict"] == "missed"


def test_a_topic_that_breaks_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, the others are measured, and the status is 1."""
    topic(monkeypatch, "pool", breaks)
    topic(monkeypatch, "queue", one_row)
    topic(monkeypatch, "fork", lambda effort: [alone("fork", "x", "", [1.0 / (effort.rounds - 3)])])
    assert main(["bench", "--quick", "--only", "pool,fork,queue"]) == exits.FAILED
    captured = capsys.readouterr()
    assert "pool broke off: no luck" in captured.err
    assert "fork broke off: ZeroDivisionError: " in captured.err
    assert "rounds asked" in captured.out
