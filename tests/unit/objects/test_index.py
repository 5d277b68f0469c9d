"""The index of objects."""

from __future__ import annotations

import json

from pvsched.objects.index import Index
from pvsched.objects.model import ObjectInfo

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32


def test_the_listing_is_what_the_device_sends() -> None:
    """Compact, by name, the size as a decimal string; an empty store is an empty list."""
    index = Index()
    assert index.json() == b"[]"
    index.put(B, 71)
    index.put(A, 0)
    assert index.json() == f'[{{"sha256":"{A}","size":"0"}},{{"sha256":"{B}","size":"71"}}]'.encode()
    assert list(index) == [ObjectInfo(A, 0), ObjectInfo(B, 71)]
    assert (len(index), B in index, C in index) == (2, True, False)


def test_the_listing_is_made_anew_only_after_a_change() -> None:
    """Asked twice it is the same bytes object; a change of any kind makes another."""
    index = Index()
    index.put(A, 1)
    first = index.json()
    index.put(A, 1)
    index.discard(B)
    assert index.json() is first
    index.put(A, 2)
    assert json.loads(index.json()) == [{"sha256": A, "size": "2"}]
    index.discard(A)
    assert index.json() == b"[]"


def test_what_was_put_during_a_scan_is_newer_than_the_scan() -> None:
    """The scan adds, and overwrites nothing."""
    index = Index()
    index.put(A, 5)
    index.load({A: 4, B: 7})
    assert list(index) == [ObjectInfo(A, 5), ObjectInfo(B, 7)]
