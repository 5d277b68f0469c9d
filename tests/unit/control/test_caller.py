"""Who calls: cgroup texts, prefixes, containers and roles, and the race with a process that is gone."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

import pytest

from pvsched.control import caller as module
from pvsched.control.caller import Caller, Callers, Identity, cgroup_path, container_name
from tests.unit.control.control_rig import Rig, body_of

OWN = "0::/own.slice/pvsched.service\n"
V1 = "9:name=systemd:/\n8:pids:/{}\n1:cpu:/\n"


class Known:
    """Two containers: one may manage, one may not."""

    def privileged(self, name: str) -> bool | None:
        return {"mgmt1": True, "app1": False}.get(name)


def callers(text: str, own: str = OWN) -> Callers:
    return Callers(lambda pid: own if pid == 0 else text, Known(), own_pid=0)


def found(text: str) -> Caller | None:
    """The caller whose cgroup file says `text`."""
    one, other = socket.socketpair()
    with one, other:
        who = callers(text)
        return who.caller(who.identify(one))


@pytest.mark.parametrize(
    "text",
    [
        "0::/\n",
        OWN,
        "0::/user.slice/user-0.slice/session-1.scope\n",
        "0::/system.slice\n",
        "0::/init.scope\n",
        "9:name=systemd:/\n0::/\n",
        "9:name=systemd:/user.slice\n",
        "5:name=pantavisor:/\n0::/whatever\n",
        "5:name=pantavisor:/lxc/\n".replace("/lxc/", "/"),
    ],
)
def test_the_host_is_privileged(text: str) -> None:
    """The root, the daemon's own cgroup, and what lies below a host prefix."""
    caller = found(text)
    assert caller is not None
    assert (caller.container, caller.privileged, caller.pid, caller.uid) == (None, True, os.getpid(), os.getuid())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("0::/lxc/mgmt1\n", "mgmt1"),
        ("0::/lxc/app1\n", "app1"),
        ("0::/lxc/app1/init.scope\n", "app1"),
        ("0::/lxc/app1/lxc/mgmt1\n", "app1"),
        ("0::/system.slice/lxc/app1\n", "app1"),
        ("0::/user.slice/lxc/app1/user.slice\n", "app1"),
        ("5:name=pantavisor:/app1\n0::/\n", "app1"),
        ("5:name=pantavisor:/lxc/mgmt1\n", "mgmt1"),
        (V1.format("lxc/app1"), "app1"),
    ],
)
def test_a_container_is_known_by_its_cgroup(text: str, name: str) -> None:
    """Its first segment after /lxc/, in any hierarchy; a cgroup of its own making below it is no disguise."""
    caller = found(text)
    assert caller is not None
    assert (caller.container, caller.privileged) == (name, name == "mgmt1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "0::/lxc/ghost\n",
        "0::/lxc/\n",
        "0::/somewhere\n",
        "0::/system.sliced\n",
        "0::/own.slice\n",
        "0::/..\n",
        "0::/../other\n",
        "0::relative\n",
    ],
)
def test_nobody_else_is_anybody(text: str) -> None:
    """Unknown containers and unknown places are the recorded 500."""
    assert found(text) is None


def test_the_host_prefixes_can_be_set_anew() -> None:
    """A reload changes them for the connections from then on."""
    who = callers("0::/custom/x\n")
    assert who.place("0::/custom/x\n") == (None, False)
    who.set_host_cgroups(["/custom/"])
    assert who.place("0::/custom/x\n") == (None, True)
    assert who.place("0::/user.slice\n") == (None, False)


def test_a_role_may_change_while_connected() -> None:
    """The container is settled when it connects, its role is looked up with every request."""
    roles = {"c": True}

    class Changing:
        def privileged(self, name: str) -> bool | None:
            return roles.get(name)

    who = Callers(lambda pid: "0::/lxc/c\n", Changing())
    identity = Identity(1, 0, "c", True)
    first = who.caller(identity)
    assert first is not None
    assert first.privileged
    roles.clear()
    assert who.caller(identity) is None


def test_a_peer_whose_cgroup_cannot_be_read_is_unknown() -> None:
    """It is gone already, and its number may be anybody's."""

    def fails(pid: int) -> str:
        raise FileNotFoundError(pid)

    one, other = socket.socketpair()
    with one, other:
        assert not Callers(fails).identify(one).known


def peer_of_a_child(check: Callable[[socket.socket], None], reaped: bool) -> None:
    """Call `check` with a socket whose peer is a child process that is dead by then, and `reaped` or a zombie."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(b"\0pvsched-caller-%d" % os.getpid())
        listener.listen()
        child = os.fork()
        if child == 0:
            try:
                socket.socket(socket.AF_UNIX).connect(b"\0pvsched-caller-%d" % os.getppid())
            finally:
                os._exit(0)
        accepted, _ = listener.accept()
        os.waitid(os.P_PID, child, os.WEXITED | (0 if reaped else os.WNOWAIT))
        try:
            with accepted:
                check(accepted)
        finally:
            if not reaped:
                os.waitpid(child, 0)


@pytest.mark.parametrize("reaped", [True, False])
def test_a_reused_pid_is_not_taken_for_its_first_owner(reaped: bool) -> None:
    """The peer is dead, and its number says 'host' by now: with SO_PEERPIDFD it is unknown all the same."""

    def check(accepted: socket.socket) -> None:
        try:
            os.close(accepted.getsockopt(socket.SOL_SOCKET, module.SO_PEERPIDFD))
        except OSError as error:
            if error.errno == errno.ENOPROTOOPT:
                pytest.skip(f"lacks SO_PEERPIDFD: {error}")
        assert not callers("0::/\n").identify(accepted).known

    peer_of_a_child(check, reaped)


@pytest.mark.parametrize("reaped", [True, False])
def test_without_so_peerpidfd_a_dead_peer_is_unknown_too(monkeypatch: pytest.MonkeyPatch, reaped: bool) -> None:
    """A zombie's cgroup is the root on older kernels; a number that nobody has leads nowhere."""
    monkeypatch.setattr(module, "SO_PEERPIDFD", 9999)
    peer_of_a_child(_unknown, reaped)


def _unknown(accepted: socket.socket) -> None:
    assert not callers("0::/\n").identify(accepted).known


def test_without_so_peerpidfd_the_cgroup_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels before 6.5."""
    monkeypatch.setattr(module, "SO_PEERPIDFD", 9999)
    caller = found("0::/\n")
    assert caller is not None
    assert caller.privileged


def test_the_real_file_is_read() -> None:
    """What /proc says of this process is what the default reads."""
    with open("/proc/self/cgroup") as file:
        text = file.read()
    assert module.read_cgroup(os.getpid()) == text
    assert Callers().place(text) == (None, True)  # the daemon's own


@pytest.mark.parametrize(("text", "path"), [("1:cpu:/a\n", None), ("0::/b\n9:name=systemd:/c\n", "/b")])
def test_which_hierarchy_decides(text: str, path: str | None) -> None:
    """cgroup v2 before systemd's of v1; a controller's own never."""
    assert cgroup_path(text) == path
    assert container_name(text) is None


@pytest.mark.parametrize(
    ("cgroup", "request_line", "status", "body"),
    [
        ("0::/nowhere\n", b"GET /small", 500, b'{"Error":"Internal Error"}'),
        ("0::/lxc/ghost\n", b"GET /small", 500, b'{"Error":"Internal Error"}'),
        ("0::/lxc/ghost\n", b"PUT /echo/a", 500, b'{"Error":"Internal error, unknown caller"}'),
        ("0::/lxc/ghost\n", b"POST /open", 500, b'{"Error":"Internal Error"}'),
        ("0::/lxc/ghost\n", b"GET /nothing", 400, b'{"Error":"unknown endpoint: /nothing"}'),
        ("0::/lxc/app1\n", b"GET /small", 403, b'{"Error":"Request not sent from a mgmt platform"}'),
        ("0::/lxc/app1\n", b"GET /echo/a", 400, b'{"Error":"Method not supported for this endpoint"}'),
        ("0::/lxc/app1\n", b"PUT /echo/a", 403, b'{"Error":"Request not sent from mgmt platform"}'),
        ("0::/lxc/app1\n", b"POST /open", 200, b""),
        ("0::/lxc/mgmt1\n", b"PUT /echo/a", 200, b"a|"),
    ],
)
def test_who_may_not_call_hears_the_recorded_words(cgroup: str, request_line: bytes, status: int, body: bytes) -> None:
    """Recordings 278, 280, 308, 320, 322: two classes of paths, and each has words of its own."""
    rig = Rig(containers=Known(), cgroup=cgroup)
    try:
        answer = rig.peer().ask(request_line + b" HTTP/1.1\r\n\r\n")
        assert int(answer.split()[1]) == status
        assert body_of(answer) == body
    finally:
        rig.close()
