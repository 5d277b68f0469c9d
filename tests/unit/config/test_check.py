"""Findings name file, line, key and the nearest known key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvsched.config.check import check, check_text
from pvsched.config.problem import ConfigError


@pytest.mark.parametrize(
    ("text", "line", "key", "message", "hint"),
    [
        ("[scheduler]\nwokers = 2\n", 2, "scheduler.wokers", "unknown key", "did you mean scheduler.workers?"),
        ("[shceduler]\nworkers = 2\n", 1, "shceduler", "unknown section", "did you mean scheduler?"),
        ("workers = 2\n", 1, "workers", "unknown section", ""),
        ("scheduler = 2\n", 1, "scheduler", "expected a section: [scheduler]", ""),
        ("[scheduler]\nworkers = 257\n", 2, "scheduler.workers", "257 is out of range: 0 to 256", ""),
        ("[scheduler]\nworkers = true\n", 2, "scheduler.workers", "expected a whole number, found true or false", ""),
        ("[scheduler]\nworkers = '2'\n", 2, "scheduler.workers", "expected a whole number, found a string", ""),
        ("[scheduler]\nworkers = 2.5\n", 2, "scheduler.workers", "expected a whole number, found a number", ""),
        ("[daemon]\ndrain_timeout = nan\n", 2, "daemon.drain_timeout", "out of range", ""),
        ("[daemon]\nwatchdog = 1\n", 2, "daemon.watchdog", "expected true or false, found a whole number", ""),
        ("[scheduler]\npolicy = 'fare'\n", 2, "scheduler.policy", "expected one of fifo, strict, fair, edf", ""),
        ("[control]\nmode = 0o1777\n", 2, "control.mode", "0o1777 is out of range: 0o600 to 0o777", ""),
        ("[control]\nmode = '0888'\n", 2, "control.mode", "octal", ""),
        ("[control]\nsocket = 'pv-ctrl'\n", 2, "control.socket", "not an absolute path", ""),
        ("[control]\nsocket = '/a\\u0000'\n".replace("'", '"'), 2, "control.socket", "control characters", ""),
        ("[control]\nhost_cgroups = ['user.slice']\n", 2, "control.host_cgroups", "must begin with '/'", ""),
        ("[objects]\nmax_size = '12 parsecs'\n", 2, "objects.max_size", "number of bytes", ""),
        ("[lanes.x]\nwieght = 'low'\n", 2, "lanes.x.wieght", "unknown key", "did you mean lanes.x.weight?"),
        ("[lanes.x]\nweight = 'heavy'\n", 2, "lanes.x.weight", "expected high, medium, low, or a number", ""),
        ("[pantavisor]\nPH_CRED_HOST = 'x'\n", 2, "pantavisor.PH_CRED_HOST", "unknown key", "pantavisor.PH_CREDS_HOST"),
        ("[pantavisor]\nPV_WDT_MODE = 'often'\n", 2, "pantavisor.PV_WDT_MODE", "disabled, shutdown, startup", ""),
        ("[scheduler]\n\nworkers = \n", 3, "", "Invalid value", ""),
        ("[events]\nbuffer = [", 0, "", "Invalid value (at end of document)", ""),
        ("[scheduler]\nworkers = 1\nworkers = 2\n", 3, "", "", ""),
    ],
)
def test_a_finding(text: str, line: int, key: str, message: str, hint: str) -> None:
    """One mistake, one finding, at its line."""
    (problem,) = check_text("x.toml", text)
    assert (problem.place, problem.key) == ("x.toml", key)
    # The parser tells the line of a key that stands twice, or the one after it, by its version.
    assert problem.line in (line, line + 1) if not key else problem.line == line
    assert message in problem.message
    assert hint in problem.hint


def test_all_findings_come_at_once() -> None:
    """A person mends a file once, not once a line."""
    problems = check_text("x", "[log]\nlevel = 3\nformt = 'json'\n[events]\nbuffer = 1\n")
    assert [(p.line, p.key) for p in problems] == [(2, "log.level"), (3, "log.formt"), (5, "events.buffer")]


def test_a_good_file_has_no_findings() -> None:
    """Every way of writing a value that the reference page names."""
    text = """
[control]
mode = "0600"
group = "root"
host_cgroups = [
    "/user.slice",  # a login shell
    "/x]",
]
[objects]
max_size = "64 MiB"
stall_timeout = 5
[pantavisor]
ph_updater_interval = "10min"
PV_LOG_PUSH = "no"
PV_DEBUG_SSH = 0
PV_POWER_MODE = "managed"
"""
    assert check_text("x", text) == []


def test_lines_are_found_behind_values_of_several_lines() -> None:
    """A value over several lines does not move the lines of what follows, nor does text that looks like a key."""
    text = 'control.host_cgroups = [\n  "/a", # ]\n  "/b",\n]\n[log]\nformat = """\nlevel = 1\n"""\nlevl = "info"\n'
    problems = check_text("x", text)
    assert [(p.line, p.key) for p in problems] == [(6, "log.format"), (9, "log.levl")]


def test_one_thing_under_two_names_is_refused() -> None:
    """log.level and PV_LOG_LEVEL are one setting; a file that gives both does not say which it means."""
    (problem,) = check_text("x", "[log]\nlevel = 'info'\n[pantavisor]\nPV_LOG_LEVEL = 1\n")
    assert (problem.line, problem.key) == (4, "pantavisor.PV_LOG_LEVEL")
    assert "line 2" in problem.message


def test_rules_between_keys_are_checked() -> None:
    """workers above max_workers, at the line of workers."""
    (problem,) = check_text("x", "[scheduler]\nmax_workers = 2\nworkers = 3\n")
    assert (problem.line, problem.key) == (3, "scheduler.workers")


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    """Absent, or not text at all."""
    (absent,) = check(str(tmp_path / "absent"))
    assert "No such file" in absent.message
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (binary,) = check(str(tmp_path / "binary"))
    assert "utf-8" in binary.message
    for finding in (absent, binary):
        assert ConfigError([finding]).hint.startswith("name a file that can be read")
    assert ConfigError(check_text("x", "workers = 1")).hint.startswith("correct it")


def test_the_files_that_we_ship_are_good_and_up_to_date() -> None:
    """The default file has no finding, and both it and the reference page are what the tables say."""
    from pvsched.config.reference import default_file, page

    root = Path(__file__).parents[3]
    assert check(str(root / "board" / "pvsched.toml")) == []
    assert (root / "board" / "pvsched.toml").read_text() == default_file()
    assert (root / "docs" / "reference" / "configuration.md").read_text() == page()


def test_the_default_file_says_the_defaults() -> None:
    """With every '#' taken away the file changes nothing."""
    from pvsched.config.merge import Layers, file_layer
    from pvsched.config.reference import default_file

    lines = [
        line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in default_file().split("\n")
    ]
    layers = Layers()
    before = dict(layers.values)
    file_layer(layers, "x", "\n".join(lines))
    assert layers.problems == []
    del layers.values["lanes.objects.limit"], layers.values["lanes.objects.weight"]
    assert layers.values == before
