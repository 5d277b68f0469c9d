"""One writer an object: whoever else wants to write the same name stands in a line, holding no worker."""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Turn(Protocol):
    """What stands in a line."""

    def begin(self) -> bool:
        """Its turn has come. False: it ended at once, the next one is due."""
        ...


class Lines:
    """The lines of all names; one that is empty costs nothing. Main loop only."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[str, deque[Turn]] = {}

    def __len__(self) -> int:
        """Names that someone writes or waits for."""
        return len(self._lines)

    def waiting(self, name: str) -> int:
        """How many wait behind the one whose turn it is."""
        return max(0, len(self._lines.get(name, ())) - 1)

    def join(self, name: str, turn: Turn) -> None:
        """Stands at the end of the line; where there is none, `begin()` is called before this returns."""
        line = self._lines.get(name)
        if line is not None:
            line.append(turn)
            return
        self._lines[name] = deque((turn,))
        self._advance(name, turn.begin())

    def leave(self, name: str, turn: Turn) -> None:
        """Goes out of the line, from wherever in it; if it was its turn the next one begins."""
        line = self._lines[name]
        first = line[0] is turn
        line.remove(turn)
        if first:
            self._advance(name, bool(line) and line[0].begin())

    def _advance(self, name: str, begun: bool) -> None:
        # a loop and no recursion: with a full queue a whole line may end here, one after the other
        line = self._lines[name]
        while not begun and line:
            line.popleft()
            begun = bool(line) and line[0].begin()
        if not line:
            del self._lines[name]
