"""How long a test waits before it says that something hangs: longer on an emulated board, which is many times slower.

`PVSCHED_PATIENCE=10` stretches these times; nothing that is measured is stretched by it.
"""

from __future__ import annotations

import os

SLOWNESS = max(1.0, float(os.environ.get("PVSCHED_PATIENCE", "1")))


def patience(seconds: float) -> float:
    """Return the seconds after which a test gives up here."""
    return seconds * SLOWNESS
