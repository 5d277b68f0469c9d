"""From what a task says to what a client hears. Pure.

A worker's `result` is one word out of PUT_ANSWERS; a task that did not succeed is answered by its outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvsched.objects.model import BAD_CHECKSUM, BAD_NAME, NO_SPACE, RETRY_SECONDS, UPLOAD_ERROR, GetResult, PutResult


def refusal(status: int, error: str, code: str, hint: str, retry_after: int | None = None) -> PutResult:
    """An answer of our own, which carries a code and a hint."""
    return PutResult(status, error, False, code, hint, retry_after)


PUT_ANSWERS: dict[str, PutResult] = {
    "stored": PutResult(200),
    "present": PutResult(200),
    "bad-hash": PutResult(422, BAD_CHECKSUM),
    "no-space": PutResult(507, NO_SPACE),
    "bad-name": PutResult(400, BAD_NAME),
    "cut-short": PutResult(0),
    "cancelled": PutResult(0),
    "too-slow": refusal(408, "Request Timeout", "body-too-slow", "send faster, or raise objects.stall_timeout"),
    "bad-chunk": refusal(413, "Unsupported protocol", "bad-chunk", "send well-formed chunks, or a Content-Length"),
    "too-large": refusal(413, "Object too large", "object-too-large", "raise objects.max_size"),
    "read-only": refusal(500, UPLOAD_ERROR, "store-read-only", "the file system is mounted read-only: see dmesg"),
    "io-error": refusal(500, UPLOAD_ERROR, "store-io-error", "the disk failed: see dmesg"),
}
BUSY = refusal(503, "Too many requests are waiting", "queue-full", "try again later", RETRY_SECONDS)
LINE_FULL = refusal(503, "Too many uploads of this object", "line-full", "wait for the others", RETRY_SECONDS)
CLOSED = refusal(503, "Shutting down", "closed", "try again when the daemon is back", RETRY_SECONDS)
TIMED_OUT = refusal(503, "Transfer took too long", "transfer-timeout", "raise objects.transfer_timeout", RETRY_SECONDS)
CANCELLED = refusal(503, "Transfer was cancelled", "cancelled", "its task was cancelled: try again", RETRY_SECONDS)
DIED = refusal(500, UPLOAD_ERROR, "worker-died", "try again; pvsched tasks ls says how it ended")
LEFT = PutResult(0)

MISSING = GetResult(400, BAD_NAME, True)
UNREADABLE = GetResult(500, "Object allocation error", True, "store-io-error", "the disk failed: see dmesg")
GET_CLOSE = GetResult(0)


def put_answer(document: Mapping[str, Any]) -> PutResult:
    """The answer to a PUT whose task ended with this document."""
    outcome = document["outcome"]
    if outcome == "succeeded":
        data = document["data"] or {}
        answer = PUT_ANSWERS.get(data.get("result", ""), DIED)
        return answer._replace(reusable=bool(data.get("reusable")) and answer.status != 0)
    if outcome == "cancelled":
        return {"client-left": LEFT, "shutdown": CLOSED}.get(str(document.get("by")), CANCELLED)
    return {"expired": BUSY, "timed_out": TIMED_OUT}.get(outcome, DIED)


def get_answer(document: Mapping[str, Any]) -> GetResult:
    """How a GET ended whose task ended with this document. Once a worker had the socket, only the worker answers."""
    outcome = document["outcome"]
    data = document["data"] if outcome == "succeeded" else None
    if data is not None:
        unsent = {"missing": MISSING, "unreadable": UNREADABLE}.get(data.get("result", ""))
        return unsent or GetResult(0, reusable=bool(data.get("reusable")))
    if outcome == "expired":
        return GetResult(*BUSY)
    if document.get("started_at") is not None or document.get("by") == "client-left":
        return GET_CLOSE
    if outcome == "cancelled":
        return GetResult(*(CLOSED if document.get("by") == "shutdown" else CANCELLED))
    return GetResult(*BUSY)
