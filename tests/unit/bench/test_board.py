"""`bench --board`: the facts, what is left out, the page, and the table of all results."""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pvsched.bench import board
from pvsched.bench.rows import Effort, Row, Target, against, alone
from pvsched.cli import exits, main

FACTS: dict[str, Any] = {
    "model": "Board 3", "processor": "ARM", "kind": "board", "why": "", "note": "", "machine": "armv7l", "bits": 32,
    "cores": 4, "mhz": 1200, "memory": 512 << 20, "kernel": "6.6.1", "libc": "glibc 2.36", "python": "3.11.2",
    "pvsched": "0.1.0", "sha256_mb_s": 71.4, "sha256_instructions": False, "load": 0.1, "time": "2026-01-01T00:00:00Z",
}  # fmt: skip
ROWS = [
    against("pool", "pool, one task a message", "us", [300.0], "pebble", None),
    against("pool", "pool, one task a message", "us", [300.0], "ProcessPoolExecutor", [900.0], Target(0.3)),
    alone("memory", "daemon idle, RSS of its own process", "MB", [13.0]),
]


def test_rows_without_their_peer_are_left_out_and_named() -> None:
    """Those of the standard library are always here; those of PyPI need not be."""
    rows, absent = board.measured(ROWS)
    assert (rows, absent) == (ROWS[1:], ["pebble"])
    assert next(board.without(absent)) == "Left out, because they are not installed here: pebble."


def test_the_page_says_what_machine_it_was() -> None:
    """And that it was none, where it was emulated."""
    page = "\n".join(board.page(FACTS, ROWS[1:], ["pebble"]))
    assert page.startswith("# Board 3\n")
    assert "| processor | ARM, 4 cores, up to 1200 MHz |" in page
    assert "| SHA-256, one thread | 71.4 MB/s, without instructions of the processor for it |" in page
    assert "| pool, one task a message | 300 us | ProcessPoolExecutor 900 us | 0.333 (0.333..0.333) |" in page
    emulated = FACTS | {"kind": "emulated", "why": "QEMU's board virt"}
    page = "\n".join(board.page(emulated, ROWS, []))
    assert page.startswith("# Board 3 (emulated)\n")
    assert "| real | no, emulated: QEMU's board virt |" in page


def test_the_table_of_all_boards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a result, with a link; what was emulated stands out."""
    document = board.document(FACTS | {"kind": "emulated", "why": "x"}, ROWS[1:], [], 1.0)
    (tmp_path / "qemu.json").write_text(json.dumps(document))
    assert board.main([str(tmp_path / "qemu.json")]) == 0
    titles, _, line = capsys.readouterr().out.splitlines()
    cells = dict(zip(titles.split(" | "), line.split(" | ")))
    assert line.startswith("| [Board 3, armv7l](qemu.md) | **emulated** | 4 | 512 MiB | 71.4 MB/s |")
    assert cells["pool, one task a message / ProcessPoolExecutor"] == "0.333"
    assert cells["daemon idle, RSS"] == "13 MB"


def test_a_busy_board_is_told_from_a_quiet_one() -> None:
    """More than half of its cores at work at the start: the page and the table say so."""
    assert not any(name == "busy" for name, _ in board.told(FACTS))
    loaded = FACTS | {"load": 2.1, "model": "unknown"}
    assert any(name == "busy" for name, _ in board.told(loaded))
    line = list(board.summary({"x": board.document(loaded, ROWS, [], 1.0)}))[-1]
    assert line.startswith("| [ARM, armv7l](x.md) | **yes, busy** |")


def test_sha256_is_measured() -> None:
    """More than nothing, less than any processor can."""
    assert 1 < board.sha256_speed(0.02, 1) < 20_000


def test_the_facts_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fact that the page shows is there."""
    monkeypatch.setattr(board, "sha256_speed", lambda: 5.0)
    facts = board.facts("a note")
    assert set(facts) == set(FACTS)
    assert (facts["kernel"], facts["cores"]) == (os.uname().release, len(os.sched_getaffinity(0)))
    assert ("note", "a note") in board.told(facts)


def test_the_command_writes_both_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--board with less effort than a bench; the million tasks are not among its topics."""
    asked: list[tuple[str, Effort]] = []

    def topic(name: str) -> types.SimpleNamespace:
        def rows(effort: Effort) -> list[Row]:
            asked.append((name, effort))
            return ROWS

        return types.SimpleNamespace(rows=rows)

    for name in board.TOPICS:
        monkeypatch.setitem(sys.modules, f"pvsched.bench.{name}", topic(name))
    monkeypatch.setattr("pvsched.cli.bench.clean_up_on_sigterm", lambda: None)
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.setattr(board, "sha256_speed", lambda: 5.0)
    written = [str(tmp_path / "b.json"), str(tmp_path / "b.md")]
    assert (
        main(["bench", "--board", "--note", "on my desk", "--json", written[0], "--markdown", written[1]]) == exits.OK
    )
    assert [name for name, _ in asked] == list(board.TOPICS)
    assert {effort for _, effort in asked} == {board.EFFORT}
    document = json.loads(Path(written[0]).read_text())
    assert (document["board"]["note"], document["left_out"]) == ("on my desk", ["pebble"])
    assert len(document["rows"]) == 2 * len(board.TOPICS)
    assert "| note | on my desk |" in Path(written[1]).read_text()
    assert "Left out, because they are not installed here: pebble." in capsys.readouterr().out


def results() -> list[Path]:
    return sorted((Path(__file__).parents[3] / "board" / "results").glob("*.json"))


def test_the_results_that_are_kept_agree_with_their_table() -> None:
    """board/results/README.md holds the line of each JSON file, and each has its page."""
    assert results()
    documents = {path.stem: json.loads(path.read_text()) for path in results()}
    readme = (results()[0].parent / "README.md").read_text()
    for line in board.summary(documents):
        assert line in readme
    for path in results():
        page = path.with_suffix(".md").read_text()
        facts = documents[path.stem]["board"]
        assert page.startswith(f"# {board.name_of(facts)}")
        assert board.busy(facts) == ("| busy | yes" in page)
        assert (facts["kind"] == "board") == ("| real | yes |" in page)


def test_a_file_that_is_no_result_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is missing, or holds something else: a line with its name, and the command that makes one."""
    assert board.main([str(tmp_path / "none.json")]) == 100
    (tmp_path / "odd.json").write_text("{")
    assert board.main([str(tmp_path / "odd.json")]) == 100
    said = capsys.readouterr().err
    assert "none.json is no result" in said
    assert "odd.json is no result" in said
