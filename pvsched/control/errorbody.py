"""The bodies of error replies, as Pantavisor spells them and as we do."""

from __future__ import annotations

import json


def error_body(text: str, code: str | None = None, hint: str | None = None) -> bytes:
    """`{"Error":"text"}`, byte for byte as recorded; errors of ours carry `code` and `hint` besides."""
    document = {"Error": text}
    if code is not None:
        document["code"] = code
    if hint is not None:
        document["hint"] = hint
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
