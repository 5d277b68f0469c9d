"""The Yocto layer holds together with the rest of the tree, and its sanity class sees what it is to see."""

from __future__ import annotations

import hashlib
import importlib
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from board.tools import layer_bitbake
from board.tools.progress import Failure
from pvsched.doctor import device
from pvsched.doctor.report import fragment, subjects

ROOT = Path(__file__).resolve().parent.parent.parent
LAYER = ROOT / "yocto-layer"
RECIPES = LAYER / "recipes-pvsched" / "pvsched"


@pytest.fixture
def layer_modules(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the package pvsched_layer, as bitbake imports it."""
    monkeypatch.syspath_prepend(str(LAYER / "lib"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    package = importlib.import_module("pvsched_layer")
    for name in package.BBIMPORTS:
        importlib.import_module(f"pvsched_layer.{name}")
    return package


def installed() -> set[str]:
    """Return the names that pvsched-conf installs."""
    return set(re.findall(r"conf_file ([\w./-]+)\)", (RECIPES / "pvsched-conf.inc").read_text()))


def test_no_second_copy_of_a_unit_or_setting() -> None:
    """What pvsched-conf installs comes from board/: the layer has no file of that name, and board/ has each."""
    names = installed()
    assert {"pvsched.toml", "pvsched.service", "pvsched.socket", "pvsched.sysusers", "pvsched.tmpfiles"} <= names
    for name in names:
        assert any((ROOT / "board" / folder / name).is_file() for folder in (".", "systemd", "sysvinit")), name
    assert not [path for path in LAYER.rglob("*") if path.suffix in (".service", ".socket", ".toml", ".sysusers")]


def test_every_unit_file_is_installed() -> None:
    """A file that is added to board/systemd is installed by the recipe as well."""
    folder = ROOT / "board" / "systemd"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there <= installed()


def test_the_user_is_the_one_of_sysusers() -> None:
    """The user that the recipe makes is what sysusers.d asks for: systemd_sysusers_check would warn of another."""
    line = next(line for line in (ROOT / "board/systemd/pvsched.sysusers").read_text().splitlines() if line[:2] == "u ")
    found = re.fullmatch(r'u (\S+) - "([^"]+)" (\S+)', line)
    assert found is not None
    name, comment, home = found.groups()
    text = (RECIPES / "pvsched-conf.inc").read_text().replace("${localstatedir}", "/var")
    parameters = re.search(r'USERADD_PARAM:\$\{PN\} = "(.*?)"', text, re.DOTALL)
    assert parameters is not None
    assert f"--home-dir {home} " in parameters.group(1)
    assert f"--comment '{comment}' {name} " in parameters.group(1)


def test_licences_are_the_projects() -> None:
    """The recipes' checksum, and the layer's own copy, are of the project's licence."""
    licence = (ROOT / "LICENSE").read_bytes()
    digest = hashlib.md5(licence, usedforsecurity=False).hexdigest()
    assert (LAYER / "COPYING.MIT").read_bytes() == licence
    for name in ("pvsched.inc", "pvsched-conf.inc"):
        assert f"file://LICENSE;md5={digest}" in (RECIPES / name).read_text()


def test_httptools_fits_what_the_project_asks_for() -> None:
    """Each release's own recipe has a version that pyproject.toml allows."""
    found = re.search(r'"httptools>=([\d.]+),<([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert found is not None
    low, high = ([int(part) for part in text.split(".")] for text in found.groups())
    recipes = sorted((LAYER / "dynamic-layers" / "no-meta-python").rglob("python3-httptools_*.bb"))
    assert [path.parent.parent.name for path in recipes] == ["scarthgap", "wrynose"]
    for path in recipes:
        version = [int(part) for part in path.stem.split("_")[1].split(".")]
        assert low <= version < high


def test_who_takes_httptools_from_meta_python_learns_of_neon() -> None:
    """What our recipe of httptools takes out, the README takes out of another layer's; the doctor says so, too."""
    recipe = next((LAYER / "dynamic-layers" / "no-meta-python" / "wrynose").rglob("python3-httptools_*.bb")).read_text()
    found = re.search(r'^CFLAGS:append:arm = "( -U\w+)"', recipe, re.MULTILINE)
    assert found is not None
    line = f'CFLAGS:append:arm:pn-python3-httptools = "{found.group(1)}"'
    assert f"    {line}\n" in (LAYER / "README.md").read_text()
    assert line in [line for probe in device.PROBES for _, line in probe.advice]


def test_recipes_have_the_projects_version() -> None:
    """The release's file name, its tarball and pyproject.toml tell one version."""
    found = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    version = found.group(1)
    assert {path.name for path in RECIPES.glob("*.bb")} == {
        f"pvsched_{version}.bb", f"pvsched-conf_{version}.bb", "pvsched_git.bb", "pvsched-conf_git.bb"
    }  # fmt: skip
    assert f"/pvsched-{version}.tar.gz;" in (RECIPES / "pvsched-release.inc").read_text()
    assert f'PV = "{version}+git"' in (RECIPES / "pvsched-git.inc").read_text()


def test_a_folder_stands_in_for_the_place_of_the_releases() -> None:
    """kas and the documents mirror the very place that the recipes name: bitbake does not check file:// itself."""
    found = re.search(r'^PVSCHED_RELEASES \?\?= "(https://[^"]+)"', (RECIPES / "pvsched-release.inc").read_text(), re.M)
    assert found is not None
    line = f'PREMIRRORS:prepend = "{found.group(1)}/.* file://'
    for path in (LAYER / "kas" / "base.yml", LAYER / "README.md", ROOT / "docs" / "howto" / "yocto.md"):
        text = path.read_text()
        assert line in text, path
        assert not re.search(r'^\s*PVSCHED_RELEASES.*"file:', text, re.M), path


def test_both_releases_are_pinned_to_one_commit() -> None:
    """The tarball and the git recipe are of the same commit."""
    release = re.search(r'PVSCHED_RELEASE_COMMIT = "([0-9a-f]{40})"', (RECIPES / "pvsched-release.inc").read_text())
    git = re.search(r'SRCREV = "([0-9a-f]{40})"', (RECIPES / "pvsched-git.inc").read_text())
    assert release is not None
    assert git is not None
    assert release.group(1) == git.group(1)


# Tests of the source tree, and of pvsched-bench, which pvsched-ptest does not bring.
NOT_ON_A_DEVICE = {"bench", "test_arrows.py", "test_docs.py", "test_machine.py", "test_message_ids.py", "test_skips.py"}


def test_ptest_names_every_unit_test() -> None:
    """A unit test is installed by ptest or known to have no place on a device; what is named is there."""
    text = (RECIPES / "pvsched-ptest.inc").read_text()
    named: dict[str, list[str]] = {}
    for variable in ("PTEST_UNIT", "PTEST_LEFT_OUT"):
        found = re.search(rf'^{variable} = "(.*?)"', text, re.MULTILINE | re.DOTALL)
        assert found is not None
        named[variable] = found.group(1).replace("\\", "").split()
        assert named[variable]
        for name in named[variable]:
            assert (ROOT / "tests" / "unit" / name).exists(), name
    units = {path.name for path in (ROOT / "tests" / "unit").iterdir() if not path.name.startswith(("_", "."))}
    assert units - NOT_ON_A_DEVICE == set(named["PTEST_UNIT"])


def test_a_kernel_that_lacks_an_option_is_told(layer_modules: ModuleType) -> None:
    """Each option that is missing from a .config is one line, `is not set` and =n alike; modules count."""
    kernel = layer_modules.kernel
    whole = kernel.fragment()
    assert kernel.findings(whole) == []
    assert kernel.findings(whole.replace("CONFIG_SQUASHFS=y", "CONFIG_SQUASHFS=m")) == []
    for old, new in (("CONFIG_EPOLL=y", "# CONFIG_EPOLL is not set"), ("CONFIG_EPOLL=y", "CONFIG_EPOLL=n")):
        (line,) = kernel.findings(whole.replace(old, new))
        assert line.startswith("CONFIG_EPOLL is needed and not set")
    without_loop = whole.replace("CONFIG_BLK_DEV_LOOP=y\n", "")
    assert len(kernel.findings(without_loop)) == 1
    assert kernel.findings(without_loop, containers=False) == []
    with_bfq = whole.replace("CONFIG_BLK_CGROUP_IOCOST=y", "CONFIG_BFQ_GROUP_IOSCHED=y")
    assert kernel.findings(with_bfq) == []


def test_no_option_stands_without_what_it_depends_on(layer_modules: ModuleType) -> None:
    """A fragment loses an option whose dependency is off: these are the ones that no usual kernel has by itself."""
    options = re.findall(r"^CONFIG_(\w+)=y", layer_modules.kernel.fragment(), re.MULTILINE)
    doctor = re.findall(r"^CONFIG_(\w+)=y", "\n".join(fragment(subjects("/"))), re.MULTILINE)
    needs = {
        "FAIR_GROUP_SCHED": "CGROUP_SCHED", "CGROUP_SCHED": "CGROUPS", "MEMCG": "CGROUPS", "CPUSETS": "CGROUPS",
        "BLK_CGROUP": "CGROUPS", "BLK_CGROUP_IOCOST": "BLK_CGROUP", "BLK_DEV_THROTTLING": "BLK_CGROUP",
        "BLK_DEV_DM": "MD", "DM_VERITY": "BLK_DEV_DM", "SQUASHFS_XZ": "SQUASHFS", "PID_NS": "NAMESPACES",
        "MEMFD_CREATE": "TMPFS", "PROC_CHILDREN": "PROC_FS",
    }  # fmt: skip
    for names in (options, doctor):
        assert [name for name in names if name in needs and needs[name] not in names] == []


def test_the_doctor_knows_every_option_of_the_layer(layer_modules: ModuleType) -> None:
    """What the class warns of at build time `pvsched doctor` tells on the device."""
    kernel = layer_modules.kernel
    known = "".join(path.read_text() for path in (ROOT / "pvsched" / "doctor").glob("*.py"))
    for option in {**kernel.NEEDED, **kernel.WANTED, **kernel.CONTAINERS}:
        assert re.search(rf'CONFIG_{option}\b|"{option}"', known), option


def test_what_is_made_from_the_options_is_up_to_date(layer_modules: ModuleType) -> None:
    """The kernel fragment and the README's table are what kernel.py makes."""
    kernel = layer_modules.kernel
    assert (LAYER / "recipes-kernel/linux/files/pvsched.cfg").read_text() == kernel.fragment()
    assert kernel.table() in (LAYER / "README.md").read_text()


def test_an_image_without_cgroup2_is_told(layer_modules: ModuleType, tmp_path: Path) -> None:
    """A sysvinit image that mounts no cgroup v2 is warned of; an init, fstab or a script that does is not."""
    image = layer_modules.image
    (tmp_path / "etc" / "init.d").mkdir(parents=True)
    assert len(image.findings(str(tmp_path), "")) == 1
    fstab = tmp_path / "etc" / "fstab"
    fstab.write_text("# none /sys/fs/cgroup cgroup2 defaults 0 0\n")
    assert len(image.findings(str(tmp_path), "")) == 1
    fstab.write_text("none /sys/fs/cgroup cgroup2 defaults 0 0\n")
    assert image.findings(str(tmp_path), "") == []
    fstab.unlink()
    (tmp_path / "etc" / "init.d" / "cgroups").write_text("mount -t cgroup2 none /sys/fs/cgroup\n")
    assert image.findings(str(tmp_path), "") == []
    (tmp_path / "etc" / "init.d" / "cgroups").unlink()
    for name in ("usr/bin/pantavisor", "usr/lib/systemd/systemd"):
        assert len(image.findings(str(tmp_path), "")) == 1
        init = tmp_path / name
        init.parent.mkdir(parents=True)
        init.touch()
        assert image.findings(str(tmp_path), "") == []
        init.unlink()
    init.touch()
    (line,) = image.findings(str(tmp_path), "quiet systemd.unified_cgroup_hierarchy=0")
    assert "cgroup v1" in line
    (line,) = image.findings(str(tmp_path), "cgroup_disable=memory")
    assert "no limits" in line


class Fatal(Exception):
    """bb.fatal, which ends the task."""


class Image:
    """An image for the class pvsched-sanity: its variables, its root file system, and what was said of it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "kernel.config"
        self.program = folder / "rootfs" / "usr" / "bin" / "pvsched"
        self.program.parent.mkdir(parents=True)
        self.program.touch()
        self.variables = {
            "IMAGE_ROOTFS": str(folder / "rootfs"),
            "bindir": "/usr/bin",
            "PVSCHED_SANITY": "warn",
            "PVSCHED_SANITY_CONTAINERS": "1",
            "PVSCHED_SANITY_KERNEL_CONFIG": str(self.config),
        }
        self.said: dict[str, list[str]] = {"note": [], "warn": [], "error": []}

    def check(self) -> None:
        """Run the function of the class as bitbake does, with a bb of ours."""
        text = (LAYER / "classes" / "pvsched-sanity.bbclass").read_text()
        found = re.search(r"^python pvsched_sanity\(\) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
        assert found is not None

        def fatal(line: str) -> None:
            raise Fatal(line)

        utils = SimpleNamespace(to_boolean=lambda value: value == "1")
        bb = SimpleNamespace(fatal=fatal, utils=utils, **{name: said.append for name, said in self.said.items()})
        names: dict[str, Any] = {"bb": bb}
        exec("def check(d):\n" + textwrap.indent(found.group(1), "  "), names)
        names["check"](SimpleNamespace(getVar=self.variables.get))


def test_the_sanity_class_warns_of_every_finding(layer_modules: ModuleType, tmp_path: Path) -> None:
    """No mount of cgroup v2, and a kernel without loop devices: two warnings, and the image is made."""
    image = Image(tmp_path)
    image.config.write_text(layer_modules.kernel.fragment().replace("CONFIG_BLK_DEV_LOOP=y\n", ""))
    image.check()
    assert [line.split(":")[0] for line in image.said["warn"]] == ["pvsched-sanity"] * 2
    assert "CONFIG_BLK_DEV_LOOP" in image.said["warn"][1]
    assert not image.said["error"] + image.said["note"]


def test_the_sanity_class_as_an_error_makes_no_image(layer_modules: ModuleType, tmp_path: Path) -> None:
    """Every finding is told before the task ends; without any it does not end."""
    image = Image(tmp_path)
    image.variables["PVSCHED_SANITY"] = "error"
    image.config.write_text("")
    with pytest.raises(Fatal):
        image.check()
    assert len(image.said["error"]) > 20
    image.config.write_text(layer_modules.kernel.fragment())
    (tmp_path / "rootfs" / "etc").mkdir()
    (tmp_path / "rootfs" / "etc" / "fstab").write_text("none /sys/fs/cgroup cgroup2 defaults 0 0\n")
    image.check()


def test_the_sanity_class_without_a_kernels_configuration(layer_modules: ModuleType, tmp_path: Path) -> None:
    """A kernel from sstate, or a prebuilt one: a note says what to do; who asked for errors is warned."""
    image = Image(tmp_path)
    image.check()
    assert "PVSCHED_SANITY_KERNEL_CONFIG" in image.said["note"][0]
    assert len(image.said["warn"]) == 1
    image.variables["PVSCHED_SANITY"] = "error"
    with pytest.raises(Fatal):
        image.check()
    assert "bitbake -c shared_workdir" in image.said["warn"][1]


def test_the_sanity_class_leaves_other_images_alone(layer_modules: ModuleType, tmp_path: Path) -> None:
    """IMAGE_CLASSES reaches every image, an initramfs too."""
    image = Image(tmp_path)
    image.variables["PVSCHED_SANITY"] = "off"
    image.check()
    image.variables["PVSCHED_SANITY"] = "error"
    image.program.unlink()
    image.check()
    assert not any(image.said.values())


def test_the_sanity_class_asks_for_no_task_of_the_kernel() -> None:
    """bitbake gives up where a kernel has no such task, and do_shared_workdir compiles a kernel that sstate has."""
    assert "[depends]" not in (LAYER / "classes" / "pvsched-sanity.bbclass").read_text()


def test_a_command_that_overruns_takes_bitbakes_server_along(tmp_path: Path) -> None:
    """The server has a session of its own; the number in its lock is only taken for it if it is this folder's."""
    code = "import time; time.sleep(60)"
    with (
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], start_new_session=True) as server,
        subprocess.Popen([sys.executable, "-c", code, "elsewhere"], start_new_session=True) as other,
    ):
        for child in (other, server):
            (tmp_path / "bitbake.lock").write_text(str(child.pid))
            with pytest.raises(Failure, match="did not end"), (tmp_path / "log").open("wb") as log:
                layer_bitbake.waited(["sleep", "60"], tmp_path, 0.2, log.fileno())
            if child is other:
                assert child.poll() is None
                child.kill()
            assert child.wait(20) == -signal.SIGKILL
