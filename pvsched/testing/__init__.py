"""What users of the library need for their own tests: a clock that stands still, a scheduler that runs at once."""

from pvsched.testing.clock import FakeClock
from pvsched.testing.sync import SyncScheduler

__all__ = ["FakeClock", "SyncScheduler"]
