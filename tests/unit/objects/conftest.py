"""Fixtures of the tests of objects."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store."""
    directory = tmp_path / "objects"
    directory.mkdir()
    return directory
