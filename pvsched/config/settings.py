"""The settings in force: plain values by full name, each with the place it came from."""

from __future__ import annotations

from collections.abc import Mapping


class Settings:
    """Values by full name (`scheduler.workers`). Immutable; a reload makes another.

    `origins` says for each name `default`, `file:PATH:LINE`, `environment:NAME` or `argument:--name`. `reloadable`
    names those that a reload may change. `legacy` and `legacy_list` are the ready bodies of `/config` and `/config2`.
    """

    __slots__ = ("legacy", "legacy_list", "origins", "reloadable", "values", "warnings")

    def __init__(
        self,
        values: Mapping[str, object],
        origins: Mapping[str, str],
        reloadable: frozenset[str] = frozenset(),
        warnings: tuple[str, ...] = (),
        legacy: str = "{}",
        legacy_list: str = "[]",
    ) -> None:
        self.values = values
        self.origins = origins
        self.reloadable = reloadable
        self.warnings = warnings
        self.legacy = legacy
        self.legacy_list = legacy_list

    def integer(self, name: str) -> int:
        """A whole number."""
        value = self.values[name]
        assert isinstance(value, int), name
        return value

    def seconds(self, name: str) -> float:
        """A duration, or any other number with a fraction."""
        value = self.values[name]
        assert isinstance(value, (int, float)), name
        return float(value)

    def text(self, name: str) -> str:
        """A string; `""` where the key is unset."""
        value = self.values[name]
        assert isinstance(value, str), name
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.values[name]
        assert isinstance(value, bool), name
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.values[name]
        assert isinstance(value, (list, tuple)), name
        return tuple(str(item) for item in value)

    def lanes(self) -> dict[str, dict[str, object]]:
        """What the sections `[lanes.NAME]` say: name -> {"limit": ..., "weight": ...}."""
        found: dict[str, dict[str, object]] = {}
        for name, value in self.values.items():
            if name.startswith("lanes."):
                _, lane, key = name.split(".", 2)
                found.setdefault(lane, {})[key] = value
        return found

    def fixed(self) -> dict[str, tuple[object, str]]:
        """Value and origin of what a reload may not change, by name."""
        names = [name for name in self.values if name not in self.reloadable and not name.startswith("lanes.")]
        return {name: (self.values[name], self.origins[name]) for name in names}

    def differing(self, other: Settings) -> list[str]:
        """Names whose value is not the same in `other`."""
        names = {**self.values, **other.values}
        return [name for name in names if _plain(self.values.get(name)) != _plain(other.values.get(name))]

    def document(self) -> dict[str, object]:
        """What JSON can say of it; `from_document` is the way back."""
        return {
            "values": dict(self.values),
            "origins": dict(self.origins),
            "reloadable": sorted(self.reloadable),
            "warnings": list(self.warnings),
            "legacy": self.legacy,
            "legacy_list": self.legacy_list,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Settings:
        """The settings that `document()` described. Raises KeyError if it is not such a document."""
        values, origins, reloadable, warnings = (document[k] for k in ("values", "origins", "reloadable", "warnings"))
        assert isinstance(values, dict)
        assert isinstance(origins, dict)
        assert isinstance(reloadable, list)
        assert isinstance(warnings, list)
        return cls(
            values,
            origins,
            frozenset(reloadable),
            tuple(warnings),
            str(document["legacy"]),
            str(document["legacy_list"]),
        )


def _plain(value: object) -> object:
    """A list and a tuple of the same strings are the same setting: JSON knows lists alone."""
    return list(value) if isinstance(value, tuple) else value
