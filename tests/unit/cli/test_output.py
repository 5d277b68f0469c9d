"""Sizes, spans, tables: what people read."""

from __future__ import annotations

import pytest

from pvsched.cli import output


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 << 20, "64.0 MiB"), (5 << 40, "5120.0 GiB")],
)
def test_sizes_have_the_unit_that_fits(count: int, text: str) -> None:
    """Binary units, one decimal, GiB at most."""
    assert output.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (85e-6, "85us"),
        (0.0009999, "1.0ms"),
        (0.1764, "176.4ms"),
        (3.44, "3.4s"),
        (125, "2m05s"),
        (11400, "3h10m"),
        (352800, "4d02h"),
    ],
)
def test_spans_have_the_unit_that_fits(seconds: float | None, text: str) -> None:
    """From microseconds to days; None is a dash."""
    assert output.span(seconds) == text


def test_tables_align_and_are_cut_at_the_width() -> None:
    """Right and left columns; no line is longer than the width, none ends in blanks."""
    lines = output.table(("N", "NAME"), [(1, "a"), (100, "long name")], "rl", width=9)
    assert lines == ["  N  NAME", "  1  a", "100  long"]


def test_a_name_cannot_move_the_cursor() -> None:
    """Control characters in what comes from outside are shown as question marks."""
    assert output.table(("A",), [("\x1b[2Jx\n",)]) == ["A", "?[2Jx?"]
