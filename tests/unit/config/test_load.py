"""Layers, precedence, paths, and the child process that reads the configuration for the daemon."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pvsched.config.load import load, load_apart, read_settings
from pvsched.config.problem import ConfigError
from pvsched.config.settings import Settings


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "pvsched.toml"
    path.write_text(text)
    return str(path)


def test_without_any_layer_every_key_has_its_default(tmp_path: Path) -> None:
    """No file, no variables, no arguments: defaults, and origins that say so."""
    settings = load(None, {"HOME": str(tmp_path)}, {}, uid=1000)
    assert settings.integer("scheduler.workers") == 2
    assert settings.text("scheduler.policy") == "strict"
    assert settings.seconds("daemon.drain_timeout") == 10.0
    assert settings.flag("objects.verify_at_start") is False
    assert settings.texts("control.host_cgroups") == ("/user.slice", "/system.slice", "/init.scope")
    assert set(settings.origins.values()) == {"default"}


def test_a_later_layer_wins(tmp_path: Path) -> None:
    """File over default, environment over file, argument over environment; each origin names its place."""
    path = written(tmp_path, "[scheduler]\nworkers = 3\npolicy = 'fair'\nhistory = 7\n")
    environ = {"PVSCHED_SCHEDULER_WORKERS": "4", "PVSCHED_SCHEDULER_POLICY": "edf"}
    settings = load(path, environ, {"scheduler.workers": "5"}, uid=1000)
    assert settings.integer("scheduler.workers") == 5
    assert settings.origins["scheduler.workers"] == "argument:--workers"
    assert settings.text("scheduler.policy") == "edf"
    assert settings.origins["scheduler.policy"] == "environment:PVSCHED_SCHEDULER_POLICY"
    assert settings.integer("scheduler.history") == 7
    assert settings.origins["scheduler.history"] == f"file:{path}:4"


def test_the_long_name_of_a_variable_wins_over_the_short_one() -> None:
    """PVSCHED_WORKERS is a convenience; PVSCHED_SCHEDULER_WORKERS is exact."""
    settings = load(None, {"PVSCHED_WORKERS": "1", "PVSCHED_SCHEDULER_WORKERS": "9"}, {}, uid=1000)
    assert settings.integer("scheduler.workers") == 9


def test_an_unknown_variable_of_ours_warns_and_names_the_nearest() -> None:
    """The environment has other owners: a stray variable must not stop a device from starting."""
    settings = load(None, {"PVSCHED_SCHEDULER_WORKRES": "1"}, {}, uid=1000)
    (warning,) = settings.warnings
    assert "PVSCHED_SCHEDULER_WORKRES" in warning
    assert "PVSCHED_SCHEDULER_WORKERS?" in warning


def test_a_bad_variable_stops_the_start_and_is_named() -> None:
    """What is set for us must be right."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"PVSCHED_SCHEDULER_WORKERS": "many"}, {}, uid=1000)
    assert "PVSCHED_SCHEDULER_WORKERS" in str(caught.value)
    assert caught.value.code == "config-invalid"


@pytest.mark.parametrize(
    ("uid", "environ", "state", "socket", "link"),
    [
        (0, {}, "/var/lib/pvsched", "/run/pvsched/pv-ctrl", "/run/pantavisor/pv/pv-ctrl"),
        (
            1000,
            {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/1000"},
            "/home/ann/.local/state/pvsched",
            "/run/user/1000/pvsched/pv-ctrl",
            "",
        ),
        (1000, {"HOME": "/h", "XDG_STATE_HOME": "/s"}, "/s/pvsched", "/s/pvsched/run/pv-ctrl", ""),
        (
            1000,
            {"HOME": "/h", "XDG_STATE_HOME": "rel"},
            "/h/.local/state/pvsched",
            "/h/.local/state/pvsched/run/pv-ctrl",
            "",
        ),
    ],
)
def test_default_places(uid: int, environ: dict[str, str], state: str, socket: str, link: str) -> None:
    """Root has the system's directories, others the XDG ones; a relative XDG directory is ignored."""
    settings = load("/dev/null", environ, {}, uid=uid)
    assert settings.text("daemon.state") == state
    assert settings.text("control.socket") == socket
    assert settings.text("control.link") == link
    assert settings.text("objects.directory") == state + "/objects"


def test_a_socket_elsewhere_makes_no_link_by_itself() -> None:
    """`auto` is for the default socket only: a second daemon of root must not take the shell clients' path."""
    settings = load("/dev/null", {}, {"control.socket": "/tmp/other"}, uid=0)
    assert settings.text("control.link") == ""


def test_a_named_file_must_exist_and_a_default_one_need_not(tmp_path: Path) -> None:
    """A typo in --config must not start a device with defaults."""
    with pytest.raises(ConfigError):
        load(str(tmp_path / "absent.toml"), {}, {}, uid=1000)
    load(None, {"XDG_CONFIG_HOME": str(tmp_path)}, {}, uid=1000)


def test_the_default_file_of_a_user_is_read(tmp_path: Path) -> None:
    """$XDG_CONFIG_HOME/pvsched/pvsched.toml needs no argument."""
    (tmp_path / "pvsched").mkdir()
    (tmp_path / "pvsched" / "pvsched.toml").write_text("[scheduler]\nworkers = 6\n")
    assert load(None, {"XDG_CONFIG_HOME": str(tmp_path)}, {}, uid=1000).integer("scheduler.workers") == 6


def test_pvsched_config_names_the_file(tmp_path: Path) -> None:
    """PVSCHED_CONFIG is --config for those who cannot give arguments."""
    path = written(tmp_path, "[scheduler]\nworkers = 6\n")
    assert load(None, {"PVSCHED_CONFIG": path}, {}, uid=1000).integer("scheduler.workers") == 6


def test_more_workers_than_max_workers_is_refused_unless_nobody_set_the_limit(tmp_path: Path) -> None:
    """The built-in limit gives way to an explicit wish; an explicit limit does not."""
    assert load("/dev/null", {}, {"scheduler.workers": "40"}, uid=1000).integer("scheduler.max_workers") == 40
    path = written(tmp_path, "[scheduler]\nworkers = 5\nmax_workers = 4\n")
    with pytest.raises(ConfigError, match=r":2: scheduler\.workers: 5 is more than scheduler\.max_workers, 4"):
        load(path, {}, {}, uid=1000)


def test_lanes_are_free_sections(tmp_path: Path) -> None:
    """[lanes.NAME] may name any lane."""
    path = written(tmp_path, "[lanes.down]\nlimit = 3\n[lanes.up]\nweight = '2.5'\nlimit = 1\n")
    settings = load(path, {}, {}, uid=1)
    assert settings.lanes() == {"down": {"limit": 3}, "up": {"weight": "2.5", "limit": 1}}


def test_the_child_process_gives_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the daemon gets over the pipe is what `load` gives here."""
    path = written(tmp_path, "[scheduler]\nworkers = 3\n[lanes.down]\nlimit = 2\n")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    apart = load_apart(path, {"control.mode": "0600"}).result()
    here = Settings.from_document(load(path, None, {"control.mode": "0600"}).document())
    assert apart.values == {**here.values, "control.host_cgroups": list(here.texts("control.host_cgroups"))}
    assert apart.origins == here.origins
    assert apart.reloadable == here.reloadable
    assert apart.legacy_list == here.legacy_list
    assert apart.lanes() == {"down": {"limit": 2}}


def test_the_child_process_reports_every_finding(tmp_path: Path) -> None:
    """All findings at once, with their lines, through the pipe."""
    path = written(tmp_path, "[scheduler]\nworkers = -1\npolcy = 'fair'\n")
    with pytest.raises(ConfigError) as caught:
        load_apart(path, {}).result()
    assert [(p.line, p.key) for p in caught.value.problems] == [(2, "scheduler.workers"), (3, "scheduler.polcy")]


def test_the_child_process_leaves_nothing_behind(tmp_path: Path) -> None:
    """No zombie and no descriptor."""
    before = sorted(os.listdir("/proc/self/fd"))
    load_apart("/dev/null", {}).result()
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def reload(path: str, running: Settings) -> dict[str, object]:
    answer = read_settings({"path": path, "arguments": {}, "fixed": running.fixed()}, None)
    assert isinstance(answer, dict)
    return answer


def test_a_reload_changes_what_it_may_and_tells_what_needs_a_restart(tmp_path: Path) -> None:
    """Fixed keys keep their running value, everywhere it shows, and are named."""
    running = load("/dev/null", {}, {"daemon.state": "/old"}, uid=0)
    path = written(
        tmp_path, "[scheduler]\nworkers = 3\ncapacity = 64\n[daemon]\nstate = '/new'\n[log]\nlevel = 'debug'\n"
    )
    answer = reload(path, running)
    settings = Settings.from_document(answer)
    assert settings.integer("scheduler.workers") == 3
    assert settings.text("log.level") == "debug"
    assert settings.integer("scheduler.capacity") == 4096
    assert settings.text("daemon.state") == "/old"
    assert '"PV_STORAGE_MNTPOINT","value":"/old"' in settings.legacy_list
    assert '"PV_CACHE_USRMETADIR","value":"/old/cache/meta"' in settings.legacy_list
    restart = answer["restart"]
    assert isinstance(restart, list)
    assert {"scheduler.capacity", "daemon.state"} <= set(restart)
    assert "scheduler.workers" not in restart


def test_a_reload_of_the_same_file_changes_nothing(tmp_path: Path) -> None:
    """Also after the way through JSON, which knows no tuples."""
    path = written(tmp_path, "[lanes.down]\nlimit = 3\n[control]\nhost_cgroups = ['/x']\n")
    running = Settings.from_document(json.loads(json.dumps(load(path).document())))
    answer = reload(path, running)
    assert answer["restart"] == []
    assert running.differing(Settings.from_document(answer)) == []


def test_a_reload_cannot_raise_workers_above_what_was_opened(tmp_path: Path) -> None:
    """More than the running max_workers is cut to it, and the difference needs a restart."""
    running = load("/dev/null", {}, {"scheduler.max_workers": "4"}, uid=0)
    answer = reload(written(tmp_path, "[scheduler]\nworkers = 9\n"), running)
    assert Settings.from_document(answer).integer("scheduler.workers") == 4
    restart = answer["restart"]
    assert isinstance(restart, list)
    assert set(restart) == {"scheduler.workers", "scheduler.max_workers"}


def test_findings_of_a_reload_come_back_as_data(tmp_path: Path) -> None:
    """The running daemon logs them and keeps what it has."""
    answer = reload(written(tmp_path, "[log\n"), load("/dev/null", {}, {}, uid=0))
    problems = answer["problems"]
    assert isinstance(problems, list)
    assert problems[0]["line"] == 1
