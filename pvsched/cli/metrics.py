"""Reads OpenMetrics text: just enough for `status` and `top`."""

from __future__ import annotations

from collections.abc import Iterator

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Samples by name and labels."""

    def __init__(self, text: str) -> None:
        self.samples: dict[str, dict[Labels, float]] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                self._add(line)

    def _add(self, line: str) -> None:
        name, _, rest = line.partition("{") if "{" in line else line.partition(" ")
        labels: Labels = ()
        if "{" in line:
            inside, _, rest = rest.rpartition("}")
            labels = tuple(pairs(inside))
        words = rest.split()
        if not words:
            return
        try:
            self.samples.setdefault(name.strip(), {})[labels] = float(words[0])
        except ValueError:
            return

    def total(self, name: str, **match: str) -> float | None:
        """Sum of the samples of that name whose labels match; None where there is none."""
        found = [value for labels, value in self.samples.get(name, {}).items() if match.items() <= dict(labels).items()]
        return sum(found) if found else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """Sums by one label's value."""
        sums: dict[str, float] = {}
        for labels, value in self.samples.get(name, {}).items():
            key = dict(labels).get(label, "")
            sums[key] = sums.get(key, 0.0) + value
        return sums


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """name="value" pairs; a value may hold commas, escaped quotes and backslashes."""
    while "=" in text:
        name, _, rest = text.partition("=")
        value, position = [], 1
        while position < len(rest) and rest[position] != '"':
            if rest[position] == "\\" and position + 1 < len(rest):
                position += 1
                value.append({"n": "\n"}.get(rest[position], rest[position]))
            else:
                value.append(rest[position])
            position += 1
        yield name.strip(" ,"), "".join(value)
        text = rest[position + 1 :]
