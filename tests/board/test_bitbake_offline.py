"""board/bitbake-offline: the layer's recipes are built by real bitbake, and QA is awake: what is put in stops it.

Where openembedded-core and bitbake are not there (as in CI) these tests skip and say so; `PVSCHED_OE_CORE` and
`PVSCHED_BITBAKE` name their git repositories.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from board.tools.progress import Failure
from board.tools.yocto_sources import Sdist

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "board" / "bitbake-offline"
STUB = ROOT / "board" / "meta-stub"
LIMIT = 3000.0  # seconds for one build from nothing on a busy machine
LAYER = """
BBPATH .= ":${LAYERDIR}"
BBFILES += "${LAYERDIR}/*.bbappend"
BBFILE_COLLECTIONS += "fault"
BBFILE_PATTERN_fault = "^${LAYERDIR}/"
LAYERDEPENDS_fault = "core"
LAYERSERIES_COMPAT_fault = "scarthgap wrynose"
"""


@dataclass
class Done:
    """What a run printed, and how it ended."""

    status: int
    out: str
    err: str


def offline(*arguments: object) -> Done:
    """Run the script; a skip where there is nothing to build with."""
    for variable, name in (("PVSCHED_OE_CORE", "openembedded-core"), ("PVSCHED_BITBAKE", "bitbake")):
        if not os.environ.get(variable):
            pytest.skip(f"lacks {name}: ${variable} names no git repository of it")
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def control(deb: Path, name: str) -> str:
    """A field of a package."""
    return subprocess.run(
        ["dpkg-deb", "-f", str(deb), name], capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def files(deb: Path) -> str:
    """The list of a package's files, with owners and modes."""
    return subprocess.run(["dpkg-deb", "-c", str(deb)], capture_output=True, text=True, timeout=60, check=True).stdout


def elf(deb: Path, inside: str, folder: Path) -> str:
    """What readelf says of a file of a package: its header and what it needs."""
    subprocess.run(["dpkg-deb", "-x", str(deb), str(folder)], timeout=60, check=True)
    (file,) = folder.glob(inside)
    done = subprocess.run(["readelf", "-hdW", str(file)], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("release", ["scarthgap", "wrynose"])
@pytest.mark.parametrize(
    ("machine", "arch", "elf_machine"), [("qemuarm", "armhf", "ARM"), ("qemuarm64", "arm64", "AArch64")]
)
def test_the_recipes_build_without_a_complaint(
    release: str, machine: str, arch: str, elf_machine: str, tmp_path: Path
) -> None:
    """The unmodified recipes pass QA, and their packages hold what an image needs, for the machine it is for."""
    done = offline("--release", release, "--machine", machine)
    assert (done.status, "QA Issue" in done.err) == (0, False), done.err[-3000:]
    packages = {path.name.split("_")[0]: path for path in map(Path, done.out.split())}
    assert {"pvsched", "pvsched-bench", "pvsched-conf", "python3-httptools", "python3-cffi"} <= set(packages)
    assert control(packages["pvsched"], "Architecture") == arch
    assert control(packages["pvsched-conf"], "Architecture") == "all"
    depends = control(packages["pvsched"], "Depends")
    assert all(name in depends for name in ("python3-cffi", "python3-httptools", "python3-core"))
    listed = files(packages["pvsched"])
    assert "./usr/bin/pvsched" in listed
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())
    core = elf(packages["pvsched"], "usr/lib/python3.*/site-packages/pvsched/_core.abi3.so", tmp_path)
    assert f"Machine:                           {elf_machine}" in core
    assert "RPATH" not in core
    assert "RUNPATH" not in core
    assert "libpython" not in core


FAULTS = {
    # a file that no package's FILES names
    "[installed-vs-shipped]": """
do_install:append() {
    install -D -m 644 ${S}/LICENSE ${D}/opt/stray
}
""",
    # the build machine's own code
    "[arch]": """
do_install:append() {
    install -D -m 755 /usr/bin/dpkg-deb ${D}${libdir}/pvsched/foreign
}
FILES:${PN} += "${libdir}/pvsched"
INSANE_SKIP:${PN} += "already-stripped"
""",
    # the distribution's linker options do not arrive
    "[ldflags]": """
do_compile:prepend() {
    export LDFLAGS=
    export LDSHARED="${CC} -shared"
}
""",
    # what makes the extension is not asked for; nothing of the host's stands in for it
    "pvsched-0.1.0-r0 do_compile": """
DEPENDS:remove = "python3-cffi-native"
""",
}


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("found", sorted(FAULTS))
def test_what_is_put_in_is_found(found: str, tmp_path: Path) -> None:
    """A file outside of FILES, a wrong architecture, dropped LDFLAGS, a missing DEPENDS: each ends the build."""
    layer = tmp_path / "fault"
    (layer / "conf").mkdir(parents=True)
    (layer / "conf" / "layer.conf").write_text(LAYER)
    # The source is unpacked anew: setuptools keeps what it compiled under ${S}/build.
    anew = f'FAULT = "{found}"\ndo_unpack[vardeps] += "FAULT"\n'
    (layer / "pvsched_%.bbappend").write_text(anew + FAULTS[found])
    done = offline("--release", "scarthgap", "--machine", "qemuarm", "--with-layer", layer, "pvsched")
    assert done.status == 1, done.err[-3000:]
    home = Path(os.environ.get("PVSCHED_BOARD_CACHE") or ROOT / "build" / "board")
    assert found in (home / "yocto" / "work" / "scarthgap" / "bitbake.log").read_text()


# -- without openembedded-core -----------------------------------------------------------------------------------------


def test_what_to_give_it_is_said() -> None:
    """Without the two repositories it says which options they are, as misuse."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PVSCHED_OE_CORE", "PVSCHED_BITBAKE")
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert done.returncode == 100
    assert "--oe-core" in done.stderr
    assert "--bitbake" in done.stderr


def test_what_a_recipe_fetches_is_read(tmp_path: Path) -> None:
    """A recipe's name, version, PyPI's name for it and its checksum are what is downloaded; one without is refused."""
    recipe = tmp_path / "python3-flit-core_3.9.0.bb"
    recipe.write_text(f'SRC_URI[sha256sum] = "{"a" * 64}"\ninherit pypi\nPYPI_PACKAGE = "flit"\n')
    assert Sdist.of_recipe(recipe) == Sdist("flit", "3.9.0", "a" * 64)
    recipe.write_text("inherit pypi\n")
    with pytest.raises(Failure, match="sha256sum"):
        Sdist.of_recipe(recipe)


def test_the_stub_compiler_refuses_the_hosts_folders(tmp_path: Path) -> None:
    """The wrapper passes arguments on as they are, drops what gcc 12 does not know, and refuses the host's headers."""
    wrapper = tmp_path / "gcc"
    wrapper.write_text((STUB / "recipes-host/files/compiler").read_text().replace("@COMPILER@", "printf '%s|'"))
    wrapper.chmod(0o755)
    (tmp_path / "an include").mkdir()

    def compiled(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(wrapper), *arguments], capture_output=True, text=True, timeout=20, check=False)

    passed = compiled("-fcanon-prefix-map", f"-I{tmp_path}/an include", "-I/usr/include/not-there", "a.c")
    assert passed.stdout == f"-Wl,--hash-style=sysv|-I{tmp_path}/an include|-I/usr/include/not-there|a.c|"
    refused = compiled("a.c", "-I/usr/include")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "'-I/usr/include' is the host's" in refused.stderr


def test_the_stub_useradd_adds_and_refuses(tmp_path: Path) -> None:
    """The layer's own USERADD_PARAM gives a user and a group of one number; an unknown option is refused."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:*:0:0:root:/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:*:0:\n")
    recipe = (ROOT / "yocto-layer/recipes-pvsched/pvsched/pvsched-conf.inc").read_text()
    found = re.search(r'^USERADD_PARAM:\$\{PN\} = "(.*?)"$', recipe, re.MULTILINE | re.DOTALL)
    assert found
    words = shlex.split(found[1].replace("\\\n", " ").replace("${localstatedir}", "/var"))
    command = [sys.executable, str(STUB / "recipes-host/files/useradd"), "--root", str(tmp_path)]
    subprocess.run([*command, *words], timeout=20, check=True)
    assert (tmp_path / "etc/passwd").read_text().splitlines()[1].split(":")[:4] == ["pvsched", "*", "999", "999"]
    assert (tmp_path / "etc/group").read_text().splitlines()[1] == "pvsched:x:999:"
    done = subprocess.run([*command, "--sytem", "other"], capture_output=True, timeout=20, check=False)
    assert done.returncode == 2
