"""What the measured tasks do: as little as possible, so that the figures are the scheduler's own."""

from __future__ import annotations

import time

TYPE_CHECKING = False  # a measured worker carries this module: typing would be 1.5 MB of it
if TYPE_CHECKING:
    from typing import Any


def noop(data: Any, context: Any = None) -> dict[str, Any]:
    """A small dict back; every contestant runs this very function."""
    return {"ok": True, "n": data}


def sleep(data: float, context: Any = None) -> None:
    """Longer than any deadline of ours."""
    time.sleep(data)
