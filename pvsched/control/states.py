"""What a connection can be busy with."""

from __future__ import annotations

IDLE, HEAD, BODY, WAIT, LENT, STREAM, SEND, LINGER, CLOSED = range(9)
NAMES = ("idle", "head", "body", "wait", "lent", "stream", "send", "linger", "closed")

# Nothing of a request would be lost by closing the connection now.
EVICTABLE = (IDLE, HEAD, LINGER)
