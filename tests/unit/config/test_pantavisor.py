"""/config and /config2: the recorded names, order and types; our own values; no secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvsched.config.load import load
from pvsched.config.pantavisor import LEGACY_KEYS

# Names and order as a real device answered (recordings 006 and config-ls); J is null.
CONFIG2_KEYS = Path(__file__).with_name("config2-keys.txt").read_text().split()
CONFIG_TYPES = json.loads(Path(__file__).with_name("config-types.json").read_text())


def test_config2_has_the_recorded_keys_in_the_recorded_order() -> None:
    """113 entries of key, value and modified; values are always text."""
    entries = json.loads(load("/dev/null", {}, {}, uid=0).legacy_list)
    assert [entry["key"] for entry in entries] == CONFIG2_KEYS
    assert all(list(entry) == ["key", "value", "modified"] for entry in entries)
    assert all(isinstance(entry["value"], str) for entry in entries)


def test_config_has_the_recorded_aliases_and_types() -> None:
    """Flags are true and false, enums numbers, unset strings null."""
    flat = json.loads(load("/dev/null", {}, {}, uid=0).legacy)
    assert {name: type(value).__name__ for name, value in flat.items()} == CONFIG_TYPES
    assert list(flat) == list(CONFIG_TYPES)


def test_values_are_our_own(tmp_path: Path) -> None:
    """What another key of ours decides is shown under Pantavisor's name, with its origin."""
    path = tmp_path / "c.toml"
    path.write_text("[pantavisor]\nph_creds_host = 'hub'\nPV_STORAGE_GC_RESERVED = 9\nPV_SYSTEM_RUNDIR = '/r'\n")
    settings = load(str(path), {"PVSCHED_LOG_LEVEL": "debug"}, {"daemon.state": "/s"}, uid=0)
    shown = {entry["key"]: (entry["value"], entry["modified"]) for entry in json.loads(settings.legacy_list)}
    assert shown["PH_CREDS_HOST"] == ("hub", "ph conf file")
    assert shown["PV_STORAGE_GC_RESERVED"] == ("9", "pv conf file")
    assert shown["PV_SYSTEM_RUNDIR"] == ("/r", "pv conf file")
    assert shown["PV_LOG_LEVEL"] == ("4", "env")
    assert shown["PV_STORAGE_MNTPOINT"] == ("/s", "args")
    assert shown["PV_CACHE_USRMETADIR"] == ("/s/cache/meta", "default")
    assert shown["PH_CREDS_ID"] == ("(null)", "default")
    assert shown["PV_DEBUG_SHELL"] == ("1", "default")
    assert settings.integer("objects.reserved_percent") == 9
    assert settings.text("control.socket") == "/r/pv-ctrl"


@pytest.mark.parametrize("name", ["PH_CREDS_SECRET", "PH_FACTORY_AUTOTOK"])
def test_secrets_are_never_shown(name: str) -> None:
    """Neither body holds the value; both show that there is one."""
    settings = load("/dev/null", {f"PVSCHED_PANTAVISOR_{name}": "hush-hush"}, {}, uid=0)
    assert settings.values[f"pantavisor.{name}"] == "hush-hush"
    assert "hush" not in settings.legacy + settings.legacy_list
    assert {"key": name, "value": "********", "modified": "env"} in json.loads(settings.legacy_list)


def test_every_name_and_alias_is_there_once() -> None:
    """A key that stood twice would be shown twice."""
    names = [key.name for key in LEGACY_KEYS]
    aliases = [key.alias for key in LEGACY_KEYS if key.alias]
    assert len(set(names)) == len(names)
    assert len(set(aliases)) == len(aliases)


def test_every_default_is_a_value_that_the_key_accepts() -> None:
    """A default that could not be written in the file would be a trap."""
    from pvsched.config.schema import all_keys
    from pvsched.config.value import from_toml

    for key in all_keys().values():
        if key.default not in (None, "", ()) and "{" not in str(key.default):
            value = list(key.default) if isinstance(key.default, tuple) else key.default
            assert from_toml(key, value) == key.default, key.name
