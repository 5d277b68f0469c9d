"""What an image installs: units, init scripts, users, directories, catalog, dashboard. Each is used, not only read."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvsched.cli import main
from pvsched.message_ids import MESSAGE_IDS
from tests.scenario.conftest import MakeDaemon, make_daemon

__all__ = ["make_daemon"]
ROOT = Path(__file__).resolve().parent.parent.parent
BOARD = ROOT / "board"
SYSTEMD = BOARD / "systemd"
UNIT = SYSTEMD / "pvsched.service"
ID = re.compile(r"^-- ([0-9a-f]{32})$", re.MULTILINE)
METRIC = re.compile(r"\bpvsched_[a-z_]+")


def tool(name: str, lacks: str) -> str:
    """A program's path, or a skip that says what is missing."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/lib/systemd:/lib/systemd")
    if path is None:
        pytest.skip(f"lacks {lacks}: no {name}")
    return path


def run(*command: object, **keywords: object) -> subprocess.CompletedProcess[str]:
    """A command with a time limit; both streams in stdout."""
    return subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        check=False, **keywords,  # type: ignore[call-overload]
    )  # fmt: skip


# -- systemd -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("drop_in", "limit"), [(False, 40), (True, 25)], ids=["containers", "none"])
def test_the_sandbox_is_tight(drop_in: bool, limit: int, tmp_path: Path) -> None:
    """systemd-analyze rates the unit below 4, and below 2.5 where no containers are managed."""
    analyze = tool("systemd-analyze", "systemd")
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(UNIT, units)
    if drop_in:
        shutil.copytree(SYSTEMD / "pvsched.service.d", units / "pvsched.service.d")
    done = run(analyze, "security", "--offline=true", f"--root={tmp_path}", f"--threshold={limit - 1}", UNIT.name)
    rated = re.search(r"Overall exposure level for pvsched.service: ([0-9.]+)", done.stdout)
    assert rated, done.stdout
    assert float(rated[1]) < limit / 10
    assert done.returncode == 0
    assert "Unknown" not in done.stdout


def test_the_units_are_understood_whole(tmp_path: Path) -> None:
    """systemd finds nothing to complain about but the program, which is not installed here."""
    analyze = tool("systemd-analyze", "systemd")
    text = UNIT.read_text().replace("/usr/bin/pvsched", "/bin/true")
    for name, content in ((UNIT.name, text), ("pvsched.socket", (SYSTEMD / "pvsched.socket").read_text())):
        (tmp_path / name).write_text(content)
    (tmp_path / "pvsched.service.d").mkdir()
    shutil.copy(SYSTEMD / "pvsched.service.d/50-no-containers.conf", tmp_path / "pvsched.service.d")
    done = run(analyze, "verify", "--man=no", tmp_path / UNIT.name, tmp_path / "pvsched.socket")
    assert (done.returncode, [line for line in done.stdout.splitlines() if str(tmp_path) in line]) == (0, [])


def test_the_user_is_made(tmp_path: Path) -> None:
    """systemd-sysusers gives pvsched a user and a group without a shell."""
    sysusers = tool("systemd-sysusers", "systemd")
    (tmp_path / "etc").mkdir()
    done = run(sysusers, f"--root={tmp_path}", SYSTEMD / "pvsched.sysusers")
    assert done.returncode == 0, done.stdout
    fields = (tmp_path / "etc/passwd").read_text().strip().split(":")
    assert (fields[0], fields[5], fields[6]) == ("pvsched", "/var/lib/pvsched", "/usr/sbin/nologin")
    assert (tmp_path / "etc/group").read_text().startswith("pvsched:")


def test_the_directories_are_made(tmp_path: Path) -> None:
    """systemd-tmpfiles makes what the daemon needs; the state is nobody else's."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root")
    tmpfiles = tool("systemd-tmpfiles", "systemd")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    done = run(tmpfiles, f"--root={tmp_path}", "--create", SYSTEMD / "pvsched.tmpfiles")
    assert done.returncode == 0, done.stdout
    modes = {path: oct((tmp_path / path).stat().st_mode & 0o777) for path in ("etc/pvsched", "run/pvsched")}
    assert modes == {"etc/pvsched": "0o755", "run/pvsched": "0o755"}
    assert (tmp_path / "var/lib/pvsched").stat().st_mode & 0o777 == 0o700


# -- events ------------------------------------------------------------------------------------------------------------


def words_of_the_source() -> set[str]:
    """Every literal text of the package but its table of ids."""
    found = set()
    for path in (ROOT / "pvsched").rglob("*.py"):
        if path.name != "message_ids.py":
            nodes = ast.walk(ast.parse(path.read_text()))
            found |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found


def test_every_id_belongs_to_something_that_is_logged() -> None:
    """A message that was worded anew would lose its id in silence."""
    assert set(MESSAGE_IDS) - words_of_the_source() == set()
    assert len(set(MESSAGE_IDS.values())) == len(MESSAGE_IDS)


def test_catalog_page_and_table_have_the_same_ids() -> None:
    """None is explained that is not sent, none is sent that is not explained."""
    catalog = ID.findall((SYSTEMD / "pvsched.catalog").read_text())
    rows = re.findall(r"^\| (.+?) \| \w+ \| `([0-9a-f]{32})`", (ROOT / "docs/reference/events.md").read_text(), re.M)
    assert sorted(catalog) == sorted(MESSAGE_IDS.values())
    assert dict(rows) == MESSAGE_IDS


def test_the_catalog_is_taken(tmp_path: Path) -> None:
    """journalctl compiles it, and lists every entry."""
    journalctl = tool("journalctl", "systemd")
    places = [tmp_path / "usr/lib/systemd/catalog", tmp_path / "var/lib/systemd/catalog"]
    for place in places:
        place.mkdir(parents=True)
    shutil.copy(SYSTEMD / "pvsched.catalog", places[0])
    assert run(journalctl, "--update-catalog", f"--root={tmp_path}").returncode == 0
    listed = run(journalctl, "--list-catalog", f"--root={tmp_path}").stdout.splitlines()
    assert sorted(line.split()[0] for line in listed) == sorted(MESSAGE_IDS.values())


# -- sysvinit ----------------------------------------------------------------------------------------------------------


class Init:
    """The init script, with places of its own and this tree as the program."""

    def __init__(self, directory: Path, shell: list[str]) -> None:
        self.directory = directory
        self.pidfile = directory / "pid"
        program = directory / "pvsched"
        program.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -m pvsched \"$@\"\n")
        program.chmod(0o755)
        logger = directory / "logger"
        logger.write_text(f"#!/bin/sh\nexec cat >>'{directory}/log'\n")
        logger.chmod(0o755)
        settings = f"PROGRAM={program}\nSOCKET={directory}/pv-ctrl\nPIDFILE={self.pidfile}\nLOGGER={logger}\n"
        settings += f"ARGUMENTS='--state {directory}/state --socket {directory}/pv-ctrl'\n"
        (directory / "default").write_text(settings)
        text = (BOARD / "sysvinit/pvsched").read_text().replace("/etc/default/pvsched", str(directory / "default"))
        self.script = directory / "init"
        self.script.write_text(text)
        self.shell = shell

    def __call__(self, verb: str) -> tuple[int, str]:
        """Exit status and what it printed."""
        done = run(*self.shell, self.script, verb, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout

    def pid(self) -> int:
        return int(self.pidfile.read_text())


@pytest.fixture(params=[["dash"], ["busybox", "ash"]], ids=["dash", "busybox"])
def init(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Init]:
    """An init script whose daemon is not left behind."""
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"lacks {request.param[0]}: it is not installed")
    made = Init(tmp_path, request.param)
    yield made
    made("stop")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and run("pgrep", "-f", str(tmp_path)).returncode == 0:
        time.sleep(0.05)


def test_sysvinit_starts_reloads_and_stops(init: Init) -> None:
    """Each verb does what LSB says, twice too, with its exit status; the log arrives at logger."""
    assert init("status")[0] == 3
    status, said = init("start")
    assert (status, (init.directory / "pv-ctrl").exists()) == (0, True), said
    pid = init.pid()
    assert f"pid {pid}" in said
    assert init("status") == (0, f"pvsched runs (pid {pid})\n")
    assert init("start") == (0, f"pvsched runs already (pid {pid})\n")
    assert init("reload")[0] == 0
    assert init("restart")[0] == 0
    assert init.pid() != pid
    assert init("stop") == (0, "pvsched stopped\n")
    assert init("stop") == (0, "pvsched does not run\n")
    assert init("reload")[0] == 7
    assert init("fly")[0] == 2
    log = (init.directory / "log").read_text()
    assert log.count(" ready ") == 2
    assert "configuration reloaded" in log


def test_sysvinit_after_a_daemon_that_was_killed(init: Init) -> None:
    """A pid file and a socket that nobody serves any more are not taken for a daemon."""
    assert init("start")[0] == 0
    pid = init.pid()
    os.kill(pid, 9)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)
    assert init("status")[0] == 1
    assert (init.directory / "pv-ctrl").exists()
    status, said = init("start")
    assert (status, init("status")[0]) == (0, 0), said
    assert init.pid() != pid


def test_sysvinit_says_that_it_did_not_start(init: Init) -> None:
    """A wrong configuration is a failure now, not after a time-out."""
    with (init.directory / "default").open("a") as file:
        file.write("ARGUMENTS='--workers many'\n")
    status, said = init("start")
    assert (status, "did not start" in said) == (1, True)
    assert init("status")[0] == 3


def test_sysvinit_hands_its_defaults_to_the_daemon(init: Init) -> None:
    """A PVSCHED_... in the file of defaults is one of the daemon's environment, exported or not."""
    with (init.directory / "default").open("a") as file:
        file.write("PVSCHED_SCHEDULER_WORKERS=1\n")
    assert init("start")[0] == 0
    assert b"PVSCHED_SCHEDULER_WORKERS=1" in Path(f"/proc/{init.pid()}/environ").read_bytes().split(b"\0")


def test_sysvinit_leaves_a_daemon_whose_socket_is_elsewhere(init: Init) -> None:
    """It lives, so it stays; the script says where it looked."""
    with (init.directory / "default").open("a") as file:
        file.write(f"ARGUMENTS='--state {init.directory}/state --socket {init.directory}/other'\nSTART_WAIT=5\n")
    status, said = init("start")
    assert (status, f"there is no {init.directory}/pv-ctrl" in said) == (0, True), said
    assert init("status")[0] == 0


def test_sysvinit_tells_who_is_not_root_the_truth(init: Init) -> None:
    """Who may not signal it learns that it runs, and never that it was stopped; a start needs the pid file."""
    assert init("start")[0] == 0
    pid, mine = init.pid(), (init.directory / "default").read_text()
    (init.directory / "default").write_text(f"{mine}kill() {{ return 1; }} # as for another user's process\n")
    assert init("status") == (0, f"pvsched runs (pid {pid})\n")
    status, said = init("stop")
    assert (status, "may not be stopped by you" in said) == (4, True), said
    assert init("restart")[0] == 4
    (init.directory / "default").write_text(mine)
    assert init("stop") == (0, "pvsched stopped\n")
    (init.directory / "default").write_text(f"{mine}PIDFILE=/proc/there-is-none/pid\n")
    status, said = init("start")
    assert (status, "cannot be written" in said) == (4, True), said
    (init.directory / "default").write_text(mine)
    assert init("status")[0] == 3


@pytest.mark.parametrize("named", [True, False])
def test_sysvinit_sees_to_cgroups(init: Init, named: bool) -> None:
    """The daemon would answer nobody where no process has a cgroup: cgroup v2 is mounted then, and only then."""
    done = init.directory / "mounted"
    doubles = f"mount() {{ echo \"$@\" >>'{done}'; }}\nmkdir() {{ :; }}\n"
    text = "0::/" if named else "3:memory:/"
    doubles += f'grep() {{ case "$*" in */proc/self/cgroup) echo {text} | command grep "$1" "$2" "$3";; '
    with (init.directory / "default").open("a") as file:
        file.write(doubles + '*/proc/mounts) return 1;; *) command grep "$@";; esac; }\n')
    assert init("start")[0] == 0
    assert (done.read_text() if done.exists() else "") == ("" if named else "-t cgroup2 cgroup2 /sys/fs/cgroup\n")


@pytest.mark.parametrize("script", ["sysvinit/pvsched", "openwrt/pvsched.init"])
def test_the_scripts_are_clean(script: str) -> None:
    """shellcheck finds nothing (procd's shell has `local`)."""
    shellcheck = tool("shellcheck", "shellcheck")
    done = run(shellcheck, "--shell=dash", "--exclude=SC3043,SC2317", BOARD / script)
    assert (done.returncode, done.stdout) == (0, "")


# -- OpenWrt -----------------------------------------------------------------------------------------------------------


class Procd:
    """The init script under doubles of rc.common and procd (tests/board/rc.common), which remember what they hear."""

    def __init__(self, directory: Path) -> None:
        self.calls = directory / "calls"
        self.memory = directory / "procd"
        self.memory.mkdir()
        self.settings = directory / "pvsched.toml"
        text = (BOARD / "openwrt/pvsched.init").read_text()
        self.script = directory / "init"
        self.script.write_text(text.replace("/etc/pvsched/pvsched.toml", str(self.settings)))
        self.shell = [shutil.which("busybox"), "ash"] if shutil.which("busybox") else ["/bin/sh"]

    def __call__(self, verb: str, linger: int = 0, **uci: str) -> list[str]:
        """Every call of procd's functions, and what procd did."""
        self.calls.write_text("")
        environ = {"CALLS": str(self.calls), "PROCD": str(self.memory), "LINGER": str(linger)}
        environ |= {"PATH": os.environ["PATH"], **{f"uci_{name}": text for name, text in uci.items()}}
        done = run(*self.shell, ROOT / "tests/board/rc.common", self.script, verb, env=environ)
        assert (done.returncode, done.stdout) == (0, "")
        return self.calls.read_text().splitlines()

    def does(self, verb: str, **uci: str) -> list[str]:
        """What procd did."""
        return [line.removeprefix("procd: ") for line in self(verb, **uci) if line.startswith("procd: ")]

    def running(self) -> str:
        """The command of the process that runs, which is not always the one that procd has noted."""
        return (self.memory / "running").read_text().strip()


@pytest.fixture
def procd(tmp_path: Path) -> Procd:
    return Procd(tmp_path)


def test_procd_is_told_how_to_run_it(procd: Procd, tmp_path: Path) -> None:
    """State on the flash, a signal for a changed file, its log to logd, time to stop; nothing that procd ignores."""
    other = tmp_path / "other.toml"
    other.write_text("")
    calls = procd("start", config=str(other), state="/mnt/data", workers="3")
    assert calls[0] == "config_load pvsched"
    assert calls[1] == "procd_open_instance "
    assert calls[-3:-1] == ["procd_close_instance ", "procd_add_reload_trigger pvsched"]
    assert calls[-1] == f"procd: runs /usr/bin/pvsched run --state /mnt/data --config {other} --workers 3"
    assert f"procd_set_param file {other}" in calls
    assert "procd_set_param reload_signal HUP" in calls
    assert "procd_set_param term_timeout 20" in calls
    assert "procd_set_param stderr 1" in calls
    assert not [line for line in calls if "ignores" in line]


def test_procd_is_told_nothing_when_it_is_disabled(procd: Procd) -> None:
    """`uci set pvsched.main.enabled=0` is heeded: nothing starts, what ran is stopped, and a change is waited for."""
    assert procd("start", enabled="0") == ["config_load pvsched", "procd_add_reload_trigger pvsched"]
    assert procd.does("reload") == ["runs /usr/bin/pvsched run --state /srv/pvsched"]
    assert procd.does("reload", enabled="0") == ["stops it"]


def test_procd_signals_when_the_settings_changed(procd: Procd) -> None:
    """The daemon finds its usual file by itself: when it appears, changes or goes, that takes no restart."""
    procd("start")
    assert procd.does("reload") == []
    for text in ("a", "b"):
        procd.settings.write_text(text)
        assert procd.does("reload") == ["sends HUP"]
    procd.settings.unlink()
    assert procd.does("reload") == ["sends HUP"]
    assert procd.running() == "/usr/bin/pvsched run --state /srv/pvsched"


def test_procd_restarts_when_the_arguments_changed(procd: Procd, tmp_path: Path) -> None:
    """A signal does not change arguments, and procd would send no more than that, and never again."""
    procd("start")
    assert procd.does("reload", workers="3")[-1] == "runs /usr/bin/pvsched run --state /srv/pvsched --workers 3"
    assert procd.does("reload", workers="3") == []
    other = tmp_path / "other.toml"
    procd("reload", config=str(other))
    other.write_text("")
    procd("reload", config=str(other))
    assert procd.running() == f"/usr/bin/pvsched run --state /srv/pvsched --config {other}"


def test_procd_starts_without_a_file_that_is_missing_and_says_so(procd: Procd, tmp_path: Path) -> None:
    """A disk that is mounted late, or a wrong name: the daemon serves, and the log tells with which settings."""
    calls = procd("start", config=str(tmp_path / "late.toml"))
    assert calls[-1] == "procd: runs /usr/bin/pvsched run --state /srv/pvsched"
    assert [line for line in calls if line.startswith("logger ") and f"there is no {tmp_path}/late.toml" in line]
    (tmp_path / "late.toml").write_text("")
    assert not [line for line in procd("reload", config=str(tmp_path / "late.toml")) if line.startswith("logger ")]
    assert not [line for line in procd("restart") if line.startswith("logger ")]


def test_procd_stops_once_for_a_restart(procd: Procd) -> None:
    """While the old one drains it is listed with its old arguments: that is no reason to send it a second SIGTERM."""
    procd("start")
    did = [line for line in procd("restart", linger=5, workers="3") if line.startswith("procd: ")]
    assert did == ["procd: stops it", "procd: runs /usr/bin/pvsched run --state /srv/pvsched --workers 3"]


def test_procd_shuts_down_when_it_has_ended(procd: Procd) -> None:
    """The script waits while the daemon ends what it does, and leaves it before procd gives up the script, at 15 s."""
    for looks, slept in ((0, 0), (4, 4), (99, 13)):
        procd("start")
        assert procd("shutdown", linger=looks) == ["procd: stops it"] + ["sleep 1"] * slept


def test_the_options_that_procd_passes_are_the_daemons() -> None:
    """Every option that stands in the script is one of `pvsched run`."""
    from pvsched.cli.run import OPTIONS

    used = set(re.findall(r"--[a-z]+", (BOARD / "openwrt/pvsched.init").read_text()))
    assert used <= set(OPTIONS)


# -- settings and dashboard --------------------------------------------------------------------------------------------


def test_the_default_file_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """board/pvsched.toml is the output of `pvsched config show --defaults`."""
    assert main(["config", "show", "--defaults"]) == 0
    assert capsys.readouterr().out == (BOARD / "pvsched.toml").read_text()


def test_the_dashboard_shows_metrics_that_there_are(make_daemon: MakeDaemon) -> None:
    """Every metric of the dashboard is in a daemon's answer, and every one that matters is in the dashboard."""
    daemon = make_daemon().start()
    board = json.loads((BOARD / "grafana/pvsched.json").read_text())
    asked = {name for panel in panels(board) for target in panel["targets"] for name in METRIC.findall(target["expr"])}
    text = run("curl", "-s", "--unix-socket", daemon.socket, "http://localhost/metrics").stdout
    families = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
    assert families
    offered = {name for family, kind in families.items() for name in samples(family, kind)}
    assert asked - offered == set()
    shown = {family for family, kind in families.items() if asked & samples(family, kind)}
    assert set(families) - shown <= MINOR


# Families that a person looks up, and no dashboard needs.
MINOR = {
    "pvsched_tasks_batched", "pvsched_wakeups", "pvsched_tasks_capacity", "pvsched_log_waiting", "pvsched_spawned",
    "pvsched_tasks_started", "pvsched_kill_lateness_max_seconds", "pvsched_event_waiters", "pvsched_flash_writes",
}  # fmt: skip


def panels(board: dict[str, object]) -> Iterator[dict[str, object]]:
    """Every panel that asks something, in rows too."""
    for panel in board["panels"]:  # type: ignore[attr-defined]
        if panel.get("targets"):
            yield panel
        yield from panels({"panels": panel.get("panels", [])})


def samples(family: str, kind: str) -> set[str]:
    """The names of a family's samples, as OpenMetrics has them."""
    endings = {"counter": ["_total"], "info": ["_info"], "histogram": ["_bucket", "_count", "_sum"],
               "summary": ["", "_count", "_sum"]}  # fmt: skip
    return {family + ending for ending in endings.get(kind, [""])}


def test_every_panel_has_a_title_a_place_and_a_unit() -> None:
    """Nothing overlaps, ids are unique, and the data source is the reader's to choose."""
    board = json.loads((BOARD / "grafana/pvsched.json").read_text())
    places, ids = set(), []
    for panel in board["panels"]:
        place = panel["gridPos"]
        columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in lines}
        assert not cells & places, panel["title"]
        places |= cells
        ids.append(panel["id"])
        assert panel["title"]
        if panel.get("targets"):
            assert panel["datasource"]["uid"] == "${source}"
            assert panel["fieldConfig"]["defaults"]["unit"]
    assert len(ids) == len(set(ids))
