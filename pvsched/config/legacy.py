"""The bodies of `/config` and `/config2`, made when settings are loaded, so that the endpoints only send them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pvsched.config.pantavisor import LEGACY_KEYS, modified_by, text_value, typed_value
from pvsched.masking import MASK


def legacy_text(values: Mapping[str, object]) -> str:
    """`/config`: one flat object by alias, types as recorded; a secret that is set is masked."""
    shown: dict[str, object] = {}
    for key in LEGACY_KEYS:
        if key.alias:
            value = values[f"pantavisor.{key.name}"]
            shown[key.alias] = MASK if key.secret and value is not None else typed_value(key, value)
    return _compact(shown)


def legacy_list_text(values: Mapping[str, object], origins: Mapping[str, str]) -> str:
    """`/config2`: every key in the recorded order, values as text."""
    shown = []
    for key in LEGACY_KEYS:
        value = values[f"pantavisor.{key.name}"]
        text = MASK if key.secret and value is not None else text_value(key, value)
        modified = modified_by(key.name, origins[f"pantavisor.{key.name}"])
        shown.append({"key": key.name, "value": text, "modified": modified})
    return _compact(shown)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
