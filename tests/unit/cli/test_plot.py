"""The latency plot and its picture."""

from __future__ import annotations

from xml.etree import ElementTree

from pvsched.cli.plot import DECADES, ROWS_A_DECADE, height, plot
from pvsched.cli.svg import svg


def test_each_decade_has_the_same_height() -> None:
    """The scale is logarithmic from 10 us to 1 s, and holds what is beyond."""
    rows = DECADES * ROWS_A_DECADE
    assert [height(x, rows) for x in (0, 1e-5, 1e-4, 1e-3, 1.0, 50.0)] == [0, 0, 16, 32, 80, 80]


def test_a_peak_stands_in_its_column() -> None:
    """One long wait among short ones is one tall column."""
    lines = plot([1e-4, 1e-1, 1e-4])
    tenth = next(line for line in lines if "100 ms" in line)
    assert tenth == " 100 ms │ █"
    assert len(lines) == DECADES * ROWS_A_DECADE + 1


def test_ascii_has_no_other_characters() -> None:
    """The fallback holds for any terminal."""
    assert all(line.isascii() for line in plot([1e-4, 2e-3, 0.5], ascii_only=True))


def test_the_picture_is_well_formed_and_holds_the_lines() -> None:
    """The SVG parses, and its texts are the lines, marks and all."""
    lines = ["a < b & c", "", "│▂█"]
    picture = ElementTree.fromstring(svg(lines))
    texts = [node.text for node in picture if node.tag.endswith("text")]
    assert texts == ["a < b & c", "│▂█"]
    assert picture.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
