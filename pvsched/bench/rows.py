"""One line of the result: ours, the peer's, their ratio with its spread, and what was to be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached. of: `ratio` (ours / theirs) or `value` (ours alone). bound: `most` or `least`."""

    reach: float
    stretch: float | None = None
    of: str = "ratio"
    bound: str = "most"

    def judge(self, value: float) -> str:
        """`stretch`, `met` or `missed`."""
        if self.stretch is not None and self._holds(value, self.stretch):
            return "stretch"
        return "met" if self._holds(value, self.reach) else "missed"

    def _holds(self, value: float, limit: float) -> bool:
        return value <= limit if self.bound == "most" else value >= limit

    def text(self, limit: float | None) -> str:
        return "-" if limit is None else f"{'<=' if self.bound == 'most' else '>='} {limit:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """ours and theirs: medians in `unit`. low, high: the least and the greatest ratio (or value) of the rounds."""

    topic: str
    name: str
    unit: str
    ours: float | None
    peer: str = ""
    theirs: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    target: Target | None = None
    note: str = ""

    @property
    def value(self) -> float | None:
        """The figure that the target speaks of."""
        return self.ratio if self.target is None or self.target.of == "ratio" else self.ours

    @property
    def verdict(self) -> str:
        """`stretch`, `met`, `missed`; `-` where nothing was to be reached or nothing could be measured."""
        if self.target is None or self.value is None:
            return "-"
        return self.target.judge(self.value)

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def against(
    topic: str,
    name: str,
    unit: str,
    ours: Sequence[float],
    peer: str,
    theirs: Sequence[float] | None,
    target: Target | None = None,
    *,
    note: str = "",
) -> Row:
    """A row of two series measured in the same rounds: the ratio is the median of the rounds' own ratios, so that what
    disturbs a round disturbs both sides of it. theirs None: the peer is not installed."""
    if not theirs:
        return Row(
            topic, name, unit, median(ours), peer, note=note or f"{peer} is not installed, or broke off", target=target
        )
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Row(
        topic, name, unit, median(ours), peer, median(theirs), median(ratios), min(ratios), max(ratios), target, note
    )


def alone(
    topic: str, name: str, unit: str, values: Sequence[float], target: Target | None = None, *, note: str = ""
) -> Row:
    """A row without a peer: the median, the least and the greatest of the values."""
    return Row(topic, name, unit, median(values), low=min(values), high=max(values), target=target, note=note)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done. rounds: of each contest. scale: 1.0, or less for a quick look."""

    rounds: int = 7
    scale: float = 1.0

    def count(self, full: int, least: int = 10) -> int:
        """So many repetitions."""
        return max(least, int(full * self.scale))
