"""The units under a real systemd, in a container of this very system: sandbox, watchdog, socket, journal, LXC."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from board.tools import service_machine
from board.tools.progress import Failure

pytestmark = [pytest.mark.slow, pytest.mark.board]

WITHOUT_CONTAINERS = f"""
cd {service_machine.SOURCE}/board/systemd/pvsched.service.d
cp 50-no-containers.conf /usr/lib/systemd/system/pvsched.service.d/
systemctl daemon-reload
"""
LIFE = """
systemctl start pvsched
systemctl is-active pvsched
pid=$(systemctl show pvsched -P MainPID)
cat /proc/$pid/status >/results/status
nsenter -t $pid -m findmnt -n -o OPTIONS / >/results/root
nsenter -t $pid -m sh -c ': >/etc/pvsched-was-here' && echo "the system can be written"
head -c 3000000 /dev/urandom >/tmp/object
name=$(pvsched objects put -q /tmp/object | cut -c1-64)
pvsched objects get -q -o /tmp/back $name >/dev/null && cmp /tmp/object /tmp/back && echo "the object came back"
stat -c %U:%a /var/lib/pvsched >/results/owner
systemctl reload pvsched && echo reloaded
echo '[daemon]
drain_time = 3' >/etc/pvsched/pvsched.toml
systemctl reload pvsched
sleep 0.5
systemctl stop pvsched
systemctl show pvsched -P Result
journalctl -u pvsched -o json >/results/journal
journalctl -u pvsched -x --no-pager >/results/explained
"""
WATCHDOG = """
mkdir -p /run/systemd/system/pvsched.service.d
printf '[Service]\\nWatchdogSec=1\\nRestartSec=0\\n' >/run/systemd/system/pvsched.service.d/90-soon.conf
systemctl daemon-reload
systemctl start pvsched
first=$(systemctl show pvsched -P MainPID)
sleep 3
[ "$(systemctl show pvsched -P MainPID)" = "$first" ] && echo "fed in time"
kill -STOP "$first"
for i in $(seq 100); do
    sleep 0.2
    now=$(systemctl show pvsched -P MainPID)
    [ "$now" != "$first" ] && [ "$now" != 0 ] && systemctl -q is-active pvsched && break
done
pvsched status >/dev/null && echo "restarted"
systemctl show pvsched -P NRestarts
"""
SOCKET = """
systemctl start pvsched.socket
systemctl is-active pvsched.service
curl -s --max-time 20 --unix-socket /run/pvsched/pv-ctrl http://localhost/healthz && echo
systemctl is-active pvsched.service
systemctl stop pvsched.service
[ -S /run/pvsched/pv-ctrl ] && echo "the socket stays"
"""
CONTAINER = """
C=/var/lib/pvsched/lxc/trial
mkdir -p $C/rootfs/bin $C/rootfs/proc $C/rootfs/sys $C/rootfs/dev $C/rootfs/tmp
cp "$(command -v busybox)" $C/rootfs/bin/
printf '#!/bin/busybox sh\\nbusybox hostname >/tmp/name\\nexec /bin/busybox sleep 60\\n' >$C/rootfs/bin/first
chmod 755 $C/rootfs/bin/first
cat >$C/config <<X
lxc.uts.name = trial
lxc.rootfs.path = dir:$C/rootfs
lxc.namespace.keep = user net time
lxc.mount.auto = proc:mixed sys:ro
lxc.apparmor.profile = unconfined
lxc.init.cmd = /bin/first
X
start='/usr/bin/lxc-start -F -n trial -P /var/lib/pvsched/lxc -o /var/lib/pvsched/lxc.log'
sed -e 's/^Type=.*/Type=simple/' -e '/^\\(ExecReload\\|WatchdogSec\\|Restart\\)=/d' \\
    -e "s#^ExecStart=.*#ExecStart=$start#" /usr/lib/systemd/system/pvsched.service >/run/systemd/system/trial.service
systemctl daemon-reload
systemctl start trial
for i in $(seq 50); do [ -s $C/rootfs/tmp/name ] && break; systemctl -q is-active trial || break; sleep 0.2; done
lxc-info -P /var/lib/pvsched/lxc -n trial -s
cat $C/rootfs/tmp/name /var/lib/pvsched/lxc.log
lxc-stop -k -P /var/lib/pvsched/lxc -n trial && echo stopped
true
"""
# As docs/howto/run-the-daemon.md has it, for a container with a network of its own.
OWN_NETWORK = """
mkdir -p /run/systemd/system/trial.service.d
cat >/run/systemd/system/trial.service.d/90-mine.conf <<X
[Service]
CapabilityBoundingSet=CAP_NET_ADMIN
RestrictAddressFamilies=AF_PACKET
RestrictNamespaces=net
X
"""


def output_of(script: str, results: Path) -> str:
    """What a script prints under a real systemd."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root")
    try:
        status = service_machine.run(script, results)
    except Failure as failure:
        if failure.code != 111:
            raise
        pytest.skip(f"lacks systemd: {failure}")
    said = (results / "output").read_text()
    assert status == 0, said + (results / "trace").read_text()
    return said


def field(status: str, name: str) -> str:
    """One line of /proc/PID/status."""
    return next(line.split()[1] for line in status.splitlines() if line.startswith(name + ":"))


@pytest.mark.parametrize("containers", [True, False], ids=["containers", "none"])
def test_the_daemon_works_in_its_sandbox(containers: bool, tmp_path: Path) -> None:
    """It starts, stores, reloads, refuses a wrong file and stops, with the capabilities of its unit and no others."""
    said = output_of(("" if containers else WITHOUT_CONTAINERS) + LIFE, tmp_path)
    assert said.splitlines() == ["active", "the object came back", "reloaded", "success"]
    status = (tmp_path / "status").read_text()
    assert (field(status, "NoNewPrivs"), field(status, "Seccomp")) == ("1", "2")
    held = int(field(status, "CapBnd"), 16)
    if containers:
        assert held & 1 << 21, "CAP_SYS_ADMIN mounts"
        assert not held & (1 << 16 | 1 << 17 | 1 << 22), "no modules, no raw I/O, no reboot"
        assert field(status, "Uid") == "0"
    else:
        assert held == 0
        assert field(status, "Uid") != "0"
    assert (tmp_path / "owner").read_text() == ("root:700\n" if containers else "pvsched:700\n")
    assert (tmp_path / "root").read_text().startswith("ro,")


def test_the_journal_has_ids_and_explanations(tmp_path: Path) -> None:
    """Each event has its MESSAGE_ID, and journalctl -x says what a refused file's key was."""
    output_of(LIFE, tmp_path)
    entries = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    ids = {entry["MESSAGE"]: entry.get("MESSAGE_ID") for entry in entries}
    assert ids["ready"] == "cfef0c7a118b4402b0cb6e5a649db45b"
    refused = next(entry for entry in entries if entry["MESSAGE"].startswith("configuration refused"))
    assert (refused["PVSCHED_KEY"], refused["PRIORITY"]) == ("daemon.drain_time", "3")
    explained = (tmp_path / "explained").read_text()
    assert "Subject: The settings were refused; the old ones stay in force" in explained
    assert "line 2, key daemon.drain_time" in explained


def test_the_watchdog_bites_when_the_loop_stands(tmp_path: Path) -> None:
    """A living daemon feeds it; one that is stopped is killed and started again."""
    assert output_of(WATCHDOG, tmp_path).splitlines() == ["fed in time", "restarted", "1"]


def test_the_first_client_starts_the_daemon(tmp_path: Path) -> None:
    """Under pvsched.socket nothing runs until somebody connects; the socket outlives the daemon."""
    before, answer, after, stays = output_of(SOCKET, tmp_path).splitlines()
    assert (before, after, stays) == ("inactive", "active", "the socket stays")
    assert json.loads(answer)["status"] in ("starting", "running")


def test_a_container_runs_in_the_sandbox(tmp_path: Path) -> None:
    """LXC starts a container with all the restrictions of the unit for devices that manage containers."""
    said = output_of(CONTAINER, tmp_path)
    assert "RUNNING" in said, said
    assert "trial\n" in said
    assert said.splitlines()[-1] == "stopped"


@pytest.mark.parametrize("allowed", [True, False], ids=["with the lines", "without"])
def test_what_the_sandbox_takes_and_three_lines_give_back(allowed: bool, tmp_path: Path) -> None:
    """A container with a network of its own: refused by the unit, started with the lines of the how-to."""
    own = CONTAINER.replace("keep = user net time", "keep = user time\nlxc.net.0.type = empty")
    assert own != CONTAINER
    said = output_of((OWN_NETWORK if allowed else "") + own, tmp_path)
    assert ("RUNNING" in said, "STOPPED" in said) == (allowed, not allowed), said


def test_a_unit_that_cannot_be_installed_is_no_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing of ours fails these tests; they are left out where the machine lacks something."""
    monkeypatch.setattr(service_machine, "PREPARE", "cp /nonexistent/pvsched.service $1/")
    with pytest.raises(Failure, match=r"could not be installed:\n.*pvsched\.service"):
        output_of("true", tmp_path)
