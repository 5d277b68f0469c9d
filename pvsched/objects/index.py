"""Which objects there are, in the main loop's memory: the listing costs no input or output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pvsched.objects.model import ObjectInfo


class Index:
    """Name -> size in bytes, kept in step with what the workers report. Main loop only."""

    __slots__ = ("_json", "_sizes")

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._json: bytes | None = None

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, sha: str) -> bool:
        return sha in self._sizes

    def __iter__(self) -> Iterator[ObjectInfo]:
        """By name."""
        return (ObjectInfo(sha, self._sizes[sha]) for sha in sorted(self._sizes))

    def total(self) -> int:
        """The sizes of all together, in bytes."""
        return sum(self._sizes.values())

    def load(self, sizes: Mapping[str, int]) -> None:
        """Takes what a scan found. What was put meanwhile is newer than the scan and stays as it is."""
        self._sizes = {**sizes, **self._sizes}
        self._json = None

    def put(self, sha: str, size: int) -> None:
        """The object is there, `size` bytes long."""
        if self._sizes.get(sha) != size:
            self._sizes[sha] = size
            self._json = None

    def discard(self, sha: str) -> None:
        """The object is not there."""
        if self._sizes.pop(sha, None) is not None:
            self._json = None

    def json(self) -> bytes:
        """The body of `GET /objects`, by name; kept until the index changes. Sizes are decimal strings, as recorded."""
        if self._json is None:
            items = (f'{{"sha256":"{sha}","size":"{size}"}}' for sha, size in sorted(self._sizes.items()))
            self._json = f"[{','.join(items)}]".encode("ascii")
        return self._json
