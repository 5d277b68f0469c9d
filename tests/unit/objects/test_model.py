"""Names, ranges and settings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvsched.objects.model import (
    Span,
    etag,
    is_rotten,
    is_stage,
    parse_range,
    rotten_name,
    stage_name,
    valid_name,
    wanted_range,
)

SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "name",
    [
        "",
        SHA[:-1],
        SHA + "0",
        SHA.upper(),
        "g" * 64,
        SHA[:-1] + "\n",
        SHA + "\n",
        "../" + SHA[3:],
        "\u0660" * 64,
        SHA[:63] + "\0",
    ],
)
def test_only_64_lower_case_hex_digits_are_a_name(name: str) -> None:
    """Nothing but 64 of 0-9a-f is a name, not even with a line end behind it or with digits of another script."""
    assert not valid_name(name)
    assert valid_name(SHA)


@given(st.text(max_size=70))
@settings(max_examples=500)
def test_a_valid_name_cannot_leave_its_directory(name: str) -> None:
    """What is taken as a name holds no separator, no dot and no NUL."""
    assert not valid_name(name) or not set(name) - set("0123456789abcdef")


@given(st.integers(min_value=0, max_value=2**70))
def test_stage_and_quarantine_names_are_hidden_and_known(token: int) -> None:
    """A stage is never 64 characters long, is told from an object and from quarantine, and fits in a file name."""
    stage, rotten = stage_name(SHA, token), rotten_name(SHA)
    assert (is_stage(stage), valid_name(stage), is_rotten(stage), len(stage)) == (True, False, False, 85)
    assert (is_rotten(rotten), valid_name(rotten), is_stage(rotten)) == (True, False, False)
    assert not is_stage(SHA + ".tmp"), "Pantavisor's own downloads are not ours to remove"


@pytest.mark.parametrize(
    ("header", "size", "span"),
    [
        (None, 10, Span(0, 10, False)),
        ("bytes=0-", 10, Span(0, 10, True)),
        ("bytes=0-0", 10, Span(0, 1, True)),
        ("bytes=2-4", 10, Span(2, 3, True)),
        ("bytes=2-400", 10, Span(2, 8, True)),
        ("Bytes = 2 - 4 ", 10, Span(2, 3, True)),
        ("bytes=-3", 10, Span(7, 3, True)),
        ("bytes=-300", 10, Span(0, 10, True)),
        ("bytes=10-", 10, None),
        ("bytes=10-12", 10, None),
        ("bytes=-0", 10, None),
        ("bytes=0-", 0, None),
        ("bytes=-5", 0, None),
        ("bytes=4-2", 10, Span(0, 10, False)),
        ("bytes=-", 10, Span(0, 10, False)),
        ("bytes=0-1,3-4", 10, Span(0, 10, False)),
        ("lines=0-1", 10, Span(0, 10, False)),
        ("bytes=+1-2", 10, Span(0, 10, False)),
        ("bytes=\u0661-", 10, Span(0, 10, False)),
        ("bytes=99999999999999999999-", 10, Span(0, 10, False)),
    ],
)
def test_a_range_is_what_rfc_9110_says(header: str | None, size: int, span: Span | None) -> None:
    """Single ranges are taken, unsatisfiable ones refused, all else ignored."""
    assert parse_range(header, size) == span


@given(st.integers(0, 40), st.none() | st.integers(0, 50), st.none() | st.integers(0, 50))
def test_a_range_agrees_with_slices(size: int, first: int | None, last: int | None) -> None:
    """Whatever the numbers, the span lies in the object and is what Python's own slicing would give."""
    content = bytes(range(size))
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    span = parse_range(header, size)
    if first is None:
        expected = content if last is None else content[size - min(last, size) :]
    else:
        expected = content[first : None if last is None else last + 1] if last is None or last >= first else content
    assert (content[span.start : span.start + span.length] if span else b"") == expected


def test_if_range_must_name_this_very_object() -> None:
    """A date, a weak tag or another object's tag in If-Range means that the whole is sent."""
    assert wanted_range("bytes=1-", None, SHA) == "bytes=1-"
    assert wanted_range("bytes=1-", f" {etag(SHA)}", SHA) == "bytes=1-"
    for other in (f"W/{etag(SHA)}", '"x"', "Sat, 21 Nov 2026 19:18:50 GMT", ""):
        assert wanted_range("bytes=1-", other, SHA) is None
