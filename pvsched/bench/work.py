"""What the measured tasks do: as little as possible, so that the figures are the scheduler's own."""

from __future__ import annotations

import time
from typing import Any


def noop(data: Any, context: Any = None) -> dict[str, Any]:
    """A small dict back; every contestant runs this very function."""
    return {"ok": True, "n": data}


def sleep(data: float, context: Any = None) -> None:
    """Longer than any deadline of ours."""
    time.sleep(data)
