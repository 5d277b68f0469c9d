"""The probes' own judgement, on systems that are made up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httptools
import pytest

from pvsched.control.caller import Callers
from pvsched.doctor import cgroups, containers, device, modules, mounts, processes, storage
from pvsched.doctor.mounts import Mount
from pvsched.doctor.probe import BETTER, FEATURE, NEEDED, NOTE, Lacks, Probe
from pvsched.doctor.report import subjects
from pvsched.state import StateDirectory, StateUnusable
from tests.neon import Refusing

PURE = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "31 23 0:27 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
DISKS = """\
1 1 8:1 / / rw,relatime - ext4 /dev/root rw
2 1 0:5 / /run rw - tmpfs tmpfs rw,size=10k
3 1 8:2 / /var/lib rw shared:3 - ext4 /dev/sda2 rw,nobarrier
4 1 8:3 / /media/a\\040b rw - vfat /dev/sdb1 rw
"""


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that stands for /proc/self/mountinfo."""
    path = tmp_path / "mountinfo"
    monkeypatch.setattr(mounts, "MOUNTINFO", str(path))
    return path


def lack(look: object, *arguments: object) -> Lacks:
    with pytest.raises(Lacks) as raised:
        look(*arguments)  # type: ignore[operator]
    return raised.value


def test_every_probe_has_a_name_a_cost_and_advice() -> None:
    """What is found lacking never leaves a person without a next step; names are unique."""
    probes: list[Probe] = [probe for some in subjects("/var/lib/pvsched").values() for probe in some]
    assert len({probe.name for probe in probes}) == len(probes) >= 40
    assert all(probe.cost and probe.role in (NEEDED, BETTER, FEATURE, NOTE) for probe in probes)
    assert [probe.name for probe in probes if not probe.advice] == ["state-directory"]  # its own lacks bring it


def test_the_mount_of_a_path() -> None:
    """The longest one; a blank in a name is written in octal."""
    found = mounts.mounts(DISKS)
    assert found[3].point == "/media/a b"
    assert mounts.mount_of("/usr/bin", found).point == "/"  # type: ignore[union-attr]
    deep = Mount("8:2", "/var/lib", "ext4", frozenset())
    assert mounts.mount_of("/var/lib/pvsched", [found[0], deep]) is deep


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("tmpfs", ("rw",), "gone after a power cut"),
        ("vfat", ("rw",), "vfat"),
        ("ext4", ("rw", "nobarrier"), "nobarrier"),
    ],
)
def test_a_file_system_that_does_not_keep_its_word(kind: str, options: tuple[str, ...], words: str) -> None:
    """Memory, no owners, fsync without effect."""
    assert words in lack(storage.lasting, "/", Mount("8:1", "/x", kind, frozenset(options))).detail
    assert storage.lasting("/", Mount("8:1", "/x", "ext4", frozenset({"rw"}))) == "ext4 at /x"


def test_an_overlay_is_what_its_upper_layer_is(mounted: Path, tmp_path: Path) -> None:
    """A read-only image below a layer in memory keeps nothing."""
    overlay = Mount("0:30", "/", "overlay", frozenset({"rw", f"upperdir={tmp_path}"}))
    mounted.write_text(f"9 1 0:9 / {tmp_path} rw - tmpfs tmpfs rw\n")
    assert "memory" in lack(storage.lasting, "/", overlay).detail
    mounted.write_text(f"9 1 0:9 / {tmp_path} rw - ext4 /dev/sda rw\n")
    assert storage.lasting("/", overlay) == "overlay at /"


def test_the_state_directory_is_written_and_left_as_it_was(tmp_path: Path) -> None:
    """One that is not there yet is not made; the nearest one above is tried."""
    assert "on disk in" in storage.written(str(tmp_path))
    assert f"tried in {tmp_path}" in storage.written(str(tmp_path / "not" / "yet"))
    assert list(tmp_path.iterdir()) == []


def test_a_state_directory_that_is_refused(tmp_path: Path) -> None:
    """It says which one, why, and what to do."""
    found = lack(storage.written, "/proc")
    assert found.detail.startswith("/proc: ")
    assert "make /proc ours" in found.advice[0][1]
    assert "--state DIR" in found.advice[0][1]


def test_what_is_in_the_place_of_the_state_directory(tmp_path: Path) -> None:
    """A file, and a link to a partition that is not mounted: the daemon cannot make a directory there."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "data" / "pvsched")
    for name in ("file", "link", "file/below"):
        found = lack(storage.written, str(tmp_path / name))
        assert found.detail == f"{tmp_path / name.partition('/')[0]} is no directory"
        assert "--state DIR" in found.advice[0][1]
        with pytest.raises(StateUnusable):
            StateDirectory.open(str(tmp_path / name))
    (tmp_path / "data" / "pvsched").mkdir(parents=True)
    assert "on disk in" in storage.written(str(tmp_path / "link"))


def test_nobody_is_told_to_give_away_what_lies_above(tmp_path: Path) -> None:
    """A state directory that cannot be made is made for the daemon; what lies above it, perhaps /, stays as it is."""
    found = lack(storage.written, "/proc/not/yet")
    assert found.detail.startswith("/proc/not/yet cannot be made in /proc: ")
    assert "make /proc" not in found.advice[0][1]
    assert "install -d -m 700 -o USER /proc/not/yet" in found.advice[0][1]


def test_cgroup_versions(mounted: Path) -> None:
    """Pure is good; beside v1, v1 alone and nothing each have their own advice."""
    mounted.write_text(PURE)
    assert cgroups.version() == "pure v2 at /sys/fs/cgroup"
    mounted.write_text(PURE + V1)
    assert "hybrid" in lack(cgroups.version).detail
    mounted.write_text(V1)
    assert lack(cgroups.version).advice == cgroups.PURE
    mounted.write_text("")
    assert ("kernel", "CONFIG_CGROUPS=y") in lack(cgroups.version).advice


@pytest.mark.parametrize(
    ("line", "words", "where"),
    [
        ("memory\t0\t50\t1", "not handed on to here", "here"),
        ("memory\t7\t50\t1", "v1 has it", "boot"),
        ("memory\t0\t1\t0", "turned off at boot", "boot"),
        ("pids\t0\t50\t1", "the kernel has it not", None),
    ],
)
def test_why_a_controller_is_not_there(
    line: str, words: str, where: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not in the root that we see: in a container the kernel has it for all that, and no option is to be set."""
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    (tmp_path / "cgroups").write_text(f"#subsys_name\thierarchy\tnum_cgroups\tenabled\n{line}\n")
    monkeypatch.setattr(cgroups, "root", lambda: str(tmp_path))
    monkeypatch.setattr(cgroups, "TABLE", str(tmp_path / "cgroups"))
    assert cgroups.controller("cpu") == "there"
    found = lack(cgroups.controller, "memory")
    assert words in found.detail
    assert [place for place, _ in found.advice] == ([] if where is None else [where])


V1_ALONE = "3:memory:/\n2:cpu:/\n"


@pytest.mark.parametrize(
    ("text", "mountinfo", "known"),
    [
        (None, "", False),
        ("", "", False),
        (V1_ALONE, V1, False),
        (V1_ALONE + "1:name=systemd:/\n", V1, True),
        ("0::/system.slice\n", "", True),
    ],
    ids=["no cgroups", "nothing mounted", "controllers alone", "systemd's v1", "v2 elsewhere"],
)
def test_where_no_process_has_a_cgroup_nobody_is_answered(
    text: str | None, mountinfo: str, known: bool, mounted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The control socket knows a caller by its cgroup, so there the daemon is of no use, and it is no mere weakness."""
    own = tmp_path / "cgroup"
    monkeypatch.setattr(cgroups, "OWN", str(own))
    mounted.write_text(mountinfo)
    if text is not None:
        own.write_text(text)
    found = lack(cgroups.version)
    assert (found.role == NEEDED, "answers nobody" in found.cost) == (not known, not known)
    place = "/sys/fs/cgroup/unified" if mountinfo else "/sys/fs/cgroup"
    assert (("boot", f"mkdir -p {place}; mount -t cgroup2 cgroup2 {place}") in found.advice) == (not known)
    assert Callers(lambda pid: text or "").place(text or "")[1] == known


@pytest.mark.parametrize(("cgroups_there", "hidden"), [(False, False), (True, True)])
def test_a_kernel_without_cgroups_hides_nobody(
    cgroups_there: bool, hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its /proc/1 has no file `cgroup`, and that is not hidepid."""
    exists, opened = os.path.exists, os.open

    def without(path: str, *rest: int) -> int:
        if path == "/proc/1/cgroup":
            raise FileNotFoundError(path)
        return opened(path, *rest)

    monkeypatch.setattr(os.path, "exists", lambda path: cgroups_there if path == "/proc/self/cgroup" else exists(path))
    monkeypatch.setattr(os, "open", without)
    if hidden:
        assert "hidepid" in lack(processes.proc).detail
    else:
        assert processes.proc().startswith("mounted")


def test_what_a_delegated_cgroup_has_to_hand_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """To make a folder is not enough: without the controller memory nothing in it limits memory."""
    monkeypatch.setattr(cgroups, "own", lambda: str(tmp_path))
    assert "subtree_control" in lack(cgroups.delegation).detail
    (tmp_path / "cgroup.subtree_control").touch()
    (tmp_path / "cgroup.controllers").write_text("cpuset pids\n")
    found = lack(cgroups.delegation)
    assert "no controller memory" in found.detail
    assert "killed as a whole" in found.cost
    (tmp_path / "cgroup.controllers").write_text("cpuset memory pids\n")
    assert cgroups.delegation() == str(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_crun_beside_v1(mounted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is there, and refuses: said before somebody finds out."""
    program = tmp_path / "crun"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    mounted.write_text(PURE)
    assert containers.crun() == str(program)
    mounted.write_text(PURE + V1)
    assert "refuses" in lack(containers.crun).detail


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its name is told; the table has the line for the image."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(modules, "ROOTS_PLACES", ())
    assert lack(containers.lxc).detail == "no lxc-start in PATH"
    advice = {probe.name: probe.advice for probe in containers.PROBES}
    assert ("image", 'IMAGE_INSTALL:append = " lxc"   # layer meta-virtualization') in advice["lxc"]
    assert ("image", 'IMAGE_INSTALL:append = " runc-opencontainers"   # layer meta-virtualization') in advice["runc"]
    assert ("debian", "apt-get install runc") in advice["runc"]


def test_modules_that_could_be_loaded(tmp_path: Path) -> None:
    """modules.dep and modules.builtin of the running kernel are read."""
    directory = tmp_path / os.uname().release
    directory.mkdir()
    (directory / "modules.dep").write_text("kernel/fs/overlayfs/overlay.ko.xz: kernel/fs/x.ko\n")
    (directory / "modules.builtin").write_text("kernel/fs/squashfs/squashfs.ko\n")
    assert modules.loadable("overlay", str(tmp_path))
    assert modules.loadable("squashfs", str(tmp_path))
    assert not modules.loadable("x", str(tmp_path)), "it is only what another one needs"


def test_clock_and_memory() -> None:
    """A clock before the build of the software, and a board too small."""
    assert device.clock(now=2e9, built=1e9).startswith("2033")
    assert "1970" in lack(device.clock, 0.0, 1e9).detail
    mib = 1 << 20
    assert device.enough_memory({"MemTotal": 57 * mib, "MemAvailable": 30 * mib})
    assert "10 MiB" in lack(device.enough_memory, {"MemTotal": 64 * mib, "MemAvailable": 10 * mib}).detail


def test_an_http_parser_that_refuses_good_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said how to build it."""
    assert device.http_parser()
    monkeypatch.setattr(httptools, "HttpRequestParser", Refusing)
    assert "16 characters" in lack(device.http_parser).detail


def test_no_http_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is to be installed, not to be built anew."""
    monkeypatch.setitem(sys.modules, "httptools", None)
    monkeypatch.delitem(sys.modules, "pvsched.control.http", raising=False)
    found = lack(device.http_parser)
    assert "httptools" in found.detail
    assert [line for _, line in found.advice] == ['IMAGE_INSTALL:append = " python3-httptools"']


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("httptools", "python3-httptools"),
        ("_cffi_backend", "python3-cffi"),
        ("hashlib", "python3-crypt"),
        ("socket", "python3-io"),
        ("json.decoder", "python3-json"),
        ("heapq", "pvsched"),
        ("pvsched.daemon", "pvsched"),
    ],
)
def test_a_module_that_is_missing_is_named_as_a_package(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yocto splits the standard library, by names of its own: the line names the part, or pvsched, which needs all."""
    import builtins

    genuine = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "pvsched.daemon":
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return genuine(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    assert lack(device.python).advice == (("image", f'IMAGE_INSTALL:append = " {package}"'),)
