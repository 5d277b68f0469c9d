"""A control socket for each test that asks for one."""

from tests.unit.control.conftest import rig

__all__ = ["rig"]
