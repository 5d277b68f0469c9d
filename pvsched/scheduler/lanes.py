"""Lanes by name: the core knows them by number."""

from __future__ import annotations

from pvsched.errors import BadSetting, BadTask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

WEIGHTS = {"high": 100.0, "medium": 10.0, "low": 1.0}
MOST_WEIGHT = 1_000_000.0


def weight_in_thousandths(weight: str | float) -> int:
    """Return the core's form of `high`, `medium`, `low` or a number from 0.001 to 1,000,000. Raises BadSetting."""
    value = WEIGHTS.get(weight) if isinstance(weight, str) else weight
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0.001 <= value <= MOST_WEIGHT:
        raise BadSetting(
            f"a lane's weight is high, medium, low or a number from 0.001 to 1000000, not {weight!r}", code="bad-lane"
        )
    return round(value * 1000)


class Lanes:
    """Hands out the numbers, in the order of first use; there are as many as the scheduler was opened with."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    def number(self, name: object) -> int:
        """Return the lane's number, making it on first use. Raises BadTask."""
        if not isinstance(name, str) or not 1 <= len(name) <= 128:
            raise BadTask(f"a lane's name is a str of 1 to 128 characters, not {name!r}")
        known = self._numbers.get(name)
        if known is not None:
            return known
        if len(self._names) >= self._most:
            raise BadTask(
                f"lane {name!r} would be the {self._most + 1}th", hint="use fewer lanes, or open Scheduler(lanes=...)"
            )
        self._numbers[name] = len(self._names)
        self._names.append(name)
        return self._numbers[name]

    def name(self, number: int) -> str:
        """Return the name of a number that was handed out."""
        return self._names[number]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(enumerate(self._names))
