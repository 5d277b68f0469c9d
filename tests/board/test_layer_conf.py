"""pvsched-conf's own functions, run without bitbake: which files it installs, and from where."""

from __future__ import annotations

import glob
import re
import shutil
import subprocess
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
RECIPE = ROOT / "yocto-layer" / "recipes-pvsched" / "pvsched" / "pvsched-conf.inc"


class Recipe:
    """The recipe in a build directory of its own; the source is this tree."""

    def __init__(self, folder: Path) -> None:
        self.text = RECIPE.read_text()
        self.unpacked, self.image = folder / "work", folder / "image"
        self.unpacked.mkdir()
        self.variables = {
            "PACKAGECONFIG": "systemd sysvinit", "PVSCHED_FILES": str(self.unpacked), "S": str(ROOT),
            "D": str(self.image), "sysconfdir": "/etc", "localstatedir": "/var", "nonarch_libdir": "/usr/lib",
            "systemd_system_unitdir": "/usr/lib/systemd/system",
        }  # fmt: skip

    def function(self, head: str) -> str:
        """Return the body of a function."""
        found = re.search(rf"^{re.escape(head)} \{{\n(.*?)^\}}", self.text, re.MULTILINE | re.DOTALL)
        assert found is not None, head
        return found.group(1)

    def expanded(self, body: str) -> str:
        """Return a shell function's body with bitbake's variables, and what asks for PACKAGECONFIG, filled in."""
        have = set(self.variables["PACKAGECONFIG"].split())
        utils = SimpleNamespace(
            contains=lambda _, all_of, yes, no, __: yes if set(all_of.split()) <= have else no,
            contains_any=lambda _, any_of, yes, no, __: yes if set(any_of.split()) & have else no,
        )
        names: dict[str, Any] = {"bb": SimpleNamespace(utils=utils), "d": None}
        body = re.sub(r"\$\{@(.*?)\}", lambda found: str(eval(found.group(1), names)), body)
        return re.sub(r"\$\{(\w+)\}", lambda found: self.variables[found.group(1)], body)

    def unpack(self) -> None:
        """Do what stands before do_unpack."""
        assert re.search(r'^do_unpack\[prefuncs\] \+= "forget_files"$', self.text, re.MULTILINE)

        def remove(path: str, recurse: bool) -> None:
            assert recurse
            for name in glob.glob(path):
                shutil.rmtree(name) if Path(name).is_dir() else Path(name).unlink()

        names: dict[str, Any] = {"bb": SimpleNamespace(utils=SimpleNamespace(remove=remove))}
        exec("def forget(d):\n" + textwrap.indent(self.function("python forget_files()"), "  "), names)
        names["forget"](SimpleNamespace(getVar=self.variables.get))

    def install(self) -> list[str]:
        """Run do_install; return what is in the image."""
        shutil.rmtree(self.image, ignore_errors=True)
        self.image.mkdir()
        conf_file, install = (self.expanded(self.function(head)) for head in ("conf_file()", "do_install()"))
        script = f"set -e\nbbfatal() {{ exit 1; }}\nbbwarn() {{ :; }}\nconf_file() {{\n{conf_file}}}\n{install}"
        subprocess.run(["sh", "-c", script], check=True, timeout=60, cwd=self.unpacked)
        return sorted(str(path.relative_to(self.image)) for path in self.image.rglob("*") if path.is_file())


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path)


@pytest.mark.parametrize(
    ("configuration", "files"),
    [
        ("", ["etc/pvsched/pvsched.toml"]),
        ("sysvinit", ["etc/init.d/pvsched", "etc/pvsched/pvsched.toml"]),
        ("sysvinit socket no-containers", ["etc/init.d/pvsched", "etc/pvsched/pvsched.toml"]),
        (
            "systemd socket no-containers",
            [
                "etc/pvsched/pvsched.toml", "usr/lib/systemd/catalog/pvsched.catalog",
                "usr/lib/systemd/system/pvsched.service",
                "usr/lib/systemd/system/pvsched.service.d/50-no-containers.conf",
                "usr/lib/systemd/system/pvsched.socket", "usr/lib/sysusers.d/pvsched.conf",
                "usr/lib/tmpfiles.d/pvsched.conf",
            ],
        ),
    ],
)  # fmt: skip
def test_what_is_installed(recipe: Recipe, configuration: str, files: list[str]) -> None:
    """PACKAGECONFIG chooses the files; what is systemd's alone is not there without it."""
    recipe.variables["PACKAGECONFIG"] = configuration
    assert recipe.install() == files


@pytest.mark.parametrize("configuration", ["systemd", "sysvinit"])
def test_there_is_a_place_to_mount_the_state(recipe: Recipe, configuration: str) -> None:
    """On a read-only root neither systemd nor the daemon can make the folder; nobody else may read it."""
    recipe.variables["PACKAGECONFIG"] = configuration
    recipe.install()
    state = recipe.image / "var" / "lib" / "pvsched"
    assert list(state.iterdir()) == []
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_file_of_ones_own_takes_the_place_of_ours(recipe: Recipe) -> None:
    """Settings, a unit and a drop-in from SRC_URI are installed in place of the source's."""
    recipe.variables["PACKAGECONFIG"] = "systemd sysvinit no-containers"
    (recipe.unpacked / "pvsched.service.d").mkdir()
    own = ["pvsched", "pvsched.toml", "pvsched.service", "pvsched.service.d/50-no-containers.conf"]
    for name in own:
        (recipe.unpacked / name).write_text(f"# mine: {name}\n")
    installed = recipe.install()
    mine = [path for path in installed if (recipe.image / path).read_text().startswith("# mine: ")]
    assert [Path(path).name for path in mine] == [
        "pvsched", "pvsched.toml", "pvsched.service", "50-no-containers.conf"
    ]  # fmt: skip


def test_a_file_that_left_src_uri_is_forgotten(recipe: Recipe) -> None:
    """scarthgap unpacks into WORKDIR and never empties it: what an older bbappend brought is not packaged again."""
    kept = recipe.unpacked / "pvsched-0.1.0"
    kept.mkdir()
    for name in set(re.findall(r"conf_file ([\w./-]+)\)", recipe.text)):
        (recipe.unpacked / name).parent.mkdir(exist_ok=True)
        (recipe.unpacked / name).write_text("# an older bbappend's\n")
    recipe.unpack()
    assert list(recipe.unpacked.iterdir()) == [kept]
    recipe.unpack()  # nothing to forget
    assert not [path for path in recipe.install() if "older bbappend" in (recipe.image / path).read_text()]
