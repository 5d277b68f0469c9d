"""Rows: medians of ratios, verdicts on both sides of a target, and how the table shows them."""

from __future__ import annotations

import pytest

from pvsched.bench.rows import Effort, Row, Target, against, alone
from pvsched.bench.table import document, lines, markdown


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (Target(0.3, 0.2), 0.2, "stretch"),
        (Target(0.3, 0.2), 0.21, "met"),
        (Target(0.3, 0.2), 0.31, "missed"),
        (Target(0.3), 0.1, "met"),
        (Target(2.0, bound="least"), 2.0, "met"),
        (Target(2.0, bound="least"), 1.99, "missed"),
    ],
)
def test_a_target_judges_from_its_side(target: Target, value: float, verdict: str) -> None:
    """`most` is a ceiling, `least` a floor, both inclusive."""
    assert target.judge(value) == verdict


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """A round that was disturbed on both sides does not move the ratio, whatever it does to the medians."""
    row = against("t", "n", "us", [1.0, 10.0, 2.0], "peer", [2.0, 20.0, 4.0], Target(0.5))
    assert (row.ours, row.theirs, row.ratio, row.low, row.high) == (2.0, 4.0, 0.5, 0.5, 0.5)
    assert row.verdict == "met"


def test_a_peer_that_is_not_installed_has_no_verdict() -> None:
    """Nothing is met or missed against nobody, and the note says why."""
    row = against("t", "n", "us", [1.0], "pebble", None, Target(0.5))
    assert row.verdict == "-"
    assert "pebble is not installed, or broke off" in lines([row])[-1]


def test_a_value_target_looks_at_ours() -> None:
    """of='value' judges our own figure."""
    assert alone("t", "n", "ms", [1.0, 3.0, 2.0], Target(2.0, 1.5, of="value")).verdict == "met"


def test_the_table_counts_what_was_met() -> None:
    """Every row is a line; the sum counts verdicts."""
    rows = [
        against("t", "first", "us", [1.0], "peer", [10.0], Target(0.3, 0.2)),
        against("t", "second", "us", [5.0], "peer", [10.0], Target(0.3, 0.2)),
        Row("t", "third", "us", 3.0),
    ]
    shown = lines(rows)
    assert [line.split()[-1] for line in shown[1:3]] == ["STRETCH", "MISSED"]
    assert "2 targets: 1 stretch, 0 met, 1 missed" in shown


def test_markdown_has_the_same_rows() -> None:
    """A line a row, with as many cells as the head."""
    rows = [
        against("t", "first", "us", [1.0], "peer", [10.0], Target(0.3, 0.2)),
        alone("t", "second", "ms", [5.0, 6.0, 7.0], Target(2.0, of="value")),
        Row("t", "third", "us", 3.0),
    ]
    shown = markdown(rows)
    assert {line.count("|") for line in shown} == {8}
    assert shown[2] == "| first | 1 us | peer 10 us | 0.1 (0.1..0.1) | <= 0.3 | <= 0.2 | STRETCH |"
    assert shown[3] == "| second | 6 ms | - | (5..7) | <= 2 ms | - | MISSED |"


def test_the_document_has_every_row_with_its_verdict() -> None:
    """What a program reads: the machine, and rows with target and verdict."""
    found = document([against("t", "first", "us", [1.0], "peer", [10.0], Target(0.3))], 1.25)
    assert found["machine"]["cpus"] >= 1
    assert found["rows"][0]["verdict"] == "met"
    assert found["rows"][0]["target"]["reach"] == 0.3


def test_a_quick_effort_does_less_but_never_nothing() -> None:
    """The scale shrinks counts down to a floor."""
    assert Effort(3, 0.1).count(3000, 200) == 300
    assert Effort(3, 0.1).count(100, 20) == 20
