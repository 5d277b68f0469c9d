"""The leak check, called after every test by conftest.py: the one that users of the library get."""

from pvsched.testing.leaks import PATIENCE, Snapshot, descendants, descriptors, mark_descendants

__all__ = ["PATIENCE", "Snapshot", "descendants", "descriptors", "mark_descendants"]
