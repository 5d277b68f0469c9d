"""What must not be shown: secrets in settings, task data, events and log records.

Masking goes by name (a field called `api_token` is secret whatever it holds) and, in free text, by the few shapes that
secrets take there: `name=value`, `Bearer value`, `user:password@host`. It makes copies; nothing is changed in place.
"""

from __future__ import annotations

import re

MASK = "********"
SECRET_WORDS = ("secret", "token", "passw", "passphrase", "credential", "authorization", "cookie", "autotok")
SECRET_NAMES = frozenset(("private_key", "privatekey", "api_key", "apikey", "access_key", "psk", "auth"))

DEPTH_LIMIT = 6
ITEM_LIMIT = 64
TEXT_LIMIT = 512

_WORDS = "|".join(SECRET_WORDS)
_NAMED = r"(?i)\b([\w.-]*(?:" + _WORDS + r")[\w.-]*[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&}]+)"
_BEARER = r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"
_USERINFO = r"(://[^/\s:@]+:)[^/\s@]+@"


def is_secret(name: str) -> bool:
    """True if a value of this name is never to be shown."""
    lowered = name.lower().replace("-", "_")
    return lowered in SECRET_NAMES or any(word in lowered for word in SECRET_WORDS)


def masked_text(text: str) -> str:
    """`text` with what looks like a secret in it replaced by MASK."""
    # Looking for a word costs a hundredth of looking for a pattern, and hardly any text has one.
    lowered = text.lower()
    # `Authorization: Bearer x` is two shapes in one: the second must go first, or its value would stay.
    if "bearer" in lowered or "basic" in lowered:
        text = re.sub(_BEARER, lambda match: f"{match.group(1)} {MASK}", text)
    if any(word in lowered for word in SECRET_WORDS):
        text = re.sub(_NAMED, lambda match: match.group(1) + MASK, text)
    if "://" in text:
        text = re.sub(_USERINFO, lambda match: f"{match.group(1)}{MASK}@", text)
    return text


def masked(value: object, depth: int = DEPTH_LIMIT) -> object:
    """A copy of a JSON value that may be shown: secrets masked, deep, long and wide parts cut, and marked as cut."""
    if isinstance(value, str):
        # Cut first, so that a megabyte of text costs no more than what is shown of it.
        return masked_text(value) if len(value) <= TEXT_LIMIT else masked_text(value[:TEXT_LIMIT]) + "..."
    if isinstance(value, dict):
        return _masked_dict(value, depth)
    if isinstance(value, (list, tuple)):
        if depth == 0:
            return "..."
        shown = [masked(item, depth - 1) for item in value[:ITEM_LIMIT]]
        return [*shown, "..."] if len(value) > ITEM_LIMIT else shown
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return masked(str(value), depth)


def _masked_dict(value: dict[object, object], depth: int) -> object:
    if depth == 0:
        return "..."
    shown: dict[str, object] = {}
    for index, (name, item) in enumerate(value.items()):
        if index == ITEM_LIMIT:
            shown["..."] = len(value) - ITEM_LIMIT
            break
        text = str(name)
        shown[text] = MASK if is_secret(text) and item is not None else masked(item, depth - 1)
    return shown
