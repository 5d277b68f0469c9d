"""The measurements of `pvsched bench` under pytest-benchmark, one test a topic.

A missed target does not fail the run (a shared machine has bad minutes): the table at its end says MISSED, and the
verdicts stand in the extra info of pytest-benchmark's JSON. What fails is a measurement that could not be made.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from pvsched.cli.bench import TOPICS


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_topic(topic: str, benchmark: Any, effort: Any, rows: list[Any]) -> None:
    """Every row of the topic has a figure of ours."""
    module = import_module(f"pvsched.bench.{topic}")
    found = benchmark.pedantic(module.rows, args=(effort,), rounds=1, iterations=1)
    rows.extend(found)
    benchmark.extra_info["rows"] = [row.document() for row in found]
    assert found
    assert [row.name for row in found if row.ours is None] == []
