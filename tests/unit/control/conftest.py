"""A control socket for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.control.control_rig import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A server with the usual limits, and no client yet."""
    made = Rig()
    yield made
    made.close()
