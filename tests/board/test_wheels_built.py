"""Wheels that are really built, for every target, and looked into as a board's pip does."""

from __future__ import annotations

import re
import subprocess
import sysconfig
import time
import zipfile
from pathlib import Path

import pytest

from board.tools import audit, cache, cibuildwheel, elf, headers, sysroot, target, toolchain, wheels
from board.tools.progress import Failure

pytestmark = [pytest.mark.slow, pytest.mark.board, pytest.mark.timeout(1800)]
ARM = next(target.targets("armv7l", "glibc"))
PLATFORMS = [one.platform for one in target.targets("all", "all")]
FOUND = re.search(r'^version = "(.*)"', (cache.ROOT / "pyproject.toml").read_text(), re.MULTILINE)
OWN = f"pvsched-{FOUND.group(1) if FOUND else '?'}-cp310-abi3"


def build(*arguments: str) -> list[Path]:
    """Run board/build-wheels; return the wheels that it names."""
    command = [str(cache.ROOT / "board" / "build-wheels"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1700, check=False)
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.split()]


@pytest.fixture(scope="module")
def built() -> list[Path]:
    """Return every wheel for every target, in the order in which they were named."""
    return build("all", "--libc", "all")


def test_every_target_has_its_wheels(built: list[Path]) -> None:
    """There is one wheel of ours for each target, and cffi and httptools for 32-bit ARM."""
    names = [wheel.name for wheel in built]
    assert [name for name in names if name.startswith("pvsched-")] == [f"{OWN}-{tag}.whl" for tag in PLATFORMS]
    others = {name.split("-")[0] + name[name.index("-cp") :] for name in names if not name.startswith("pvsched-")}
    expected = {f"{name}-cp311-cp311-{tag}_armv7l.whl" for name in ("cffi", "httptools")
                for tag in ("manylinux_2_17", "musllinux_1_2")}  # fmt: skip
    assert others == expected


def test_a_second_run_takes_seconds_and_gives_the_same(built: list[Path]) -> None:
    """What is there is not built again."""
    before = {wheel: wheel.read_bytes() for wheel in built}
    began = time.monotonic()
    again = build("all", "--libc", "all")
    assert time.monotonic() - began < 60  # a busy machine's; it is about three alone
    assert {wheel: wheel.read_bytes() for wheel in again} == before


def test_wheels_are_the_same_wherever_they_are_built(
    built: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same sources give the same bytes in another folder."""
    for name in ("toolchain", "python3.11-arm64", "apt"):
        for found in cache.home().glob(f"{name}*"):
            (tmp_path / found.name).symlink_to(found)
    monkeypatch.setenv("PVSCHED_BOARD_CACHE", str(tmp_path))
    (again,) = build("aarch64")
    first = next(wheel for wheel in built if wheel.name == again.name)
    assert again != first
    assert again.read_bytes() == first.read_bytes()


def test_pip_finds_all_for_a_raspberry_pi(built: list[Path], tmp_path: Path) -> None:
    """pip, asked for glibc 2.17 on 32-bit ARM, gets from the folder all that is not pure Python."""
    command = [
        toolchain.toolchain().python, "-m", "pip", "download", "-q", "-d", str(tmp_path), "--only-binary", ":all:",
        "--platform", "manylinux_2_17_armv7l", "--python-version", "3.11", "--implementation", "cp",
        "--find-links", str(built[0].parent), "pvsched",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    compiled = {wheel.name.split("-")[0] for wheel in tmp_path.glob("*_armv7l.whl")}
    assert compiled == {"pvsched", "cffi", "httptools"}
    assert {wheel.name.split("-")[0] for wheel in tmp_path.glob("*-none-any.whl")} == {"pycparser"}


def test_cffi_carries_libffi(built: list[Path], tmp_path: Path) -> None:
    """The extension of cffi has libffi within: nothing of it is asked of the board."""
    wheel = next(wheel for wheel in built if wheel.name.startswith("cffi-") and "manylinux" in wheel.name)
    with zipfile.ZipFile(wheel) as file:
        name = next(name for name in file.namelist() if name.endswith(".so"))
        found = elf.read(Path(file.extract(name, tmp_path)))
    assert not [name for name in found.undefined if name.startswith("ffi_")]
    assert not [name for name in found.needed if "ffi" in name]


def test_a_wheel_under_another_targets_name_is_refused(built: list[Path]) -> None:
    """The check of a wheel is a check: the 64-bit wheel is not taken for the 32-bit one, nor glibc's for musl's."""
    chain = toolchain.toolchain()
    wheel = next(wheel for wheel in built if wheel.name.endswith("manylinux_2_17_aarch64.whl"))
    with pytest.raises(Failure, match="is for AArch64, 64 bits, not ARM, 32"):
        audit.check(chain, wheel, ARM)
    with pytest.raises(Failure, match=r"needs .*libc\.so\.6.*asks for versions: GLIBC_2.17"):
        audit.check(chain, wheel, next(target.targets("aarch64", "musl")))


def host_pyconfig() -> Path:
    """Return the host's own pyconfig.h: Debian has one for each architecture below one that chooses."""
    folder = Path(sysconfig.get_path("include"))
    own = folder.parent / str(sysconfig.get_config_var("MULTIARCH")) / folder.name / "pyconfig.h"
    return own if own.exists() else folder / "pyconfig.h"


@pytest.mark.parametrize("fault", ["none", "include path", "name"])
def test_the_hosts_pyconfig_in_a_32_bit_build_is_caught(tmp_path: Path, fault: str) -> None:
    """A compile that reads the host's Python headers is found out, however it came to them; a right one passes."""
    chain, include, host = toolchain.toolchain(), sysroot.headers(ARM, wheels.STABLE), host_pyconfig()
    if not host.exists():
        pytest.skip(f"no Python headers of the host at {host}")
    (tmp_path / "seeded.c").write_text(f'#include "{host if fault == "name" else "pyconfig.h"}"\n')
    place = host.parent if fault == "include path" else include
    command = [*chain.compiler(ARM), *toolchain.COMPILE, "-w", f"-I{place}", "-c", "seeded.c", "-o", "seeded.o"]
    done = subprocess.run(command, cwd=tmp_path, env=chain.environment(), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    allowed = [tmp_path, include, *chain.headers]
    if fault == "none":
        headers.check(tmp_path, allowed)
    else:
        with pytest.raises(Failure, match=r"seeded was compiled with /.*pyconfig\.h, which is the host's"):
            headers.check(tmp_path, allowed)


def test_the_host_wheel_is_used_and_musls_suite_runs() -> None:
    """The wheel for this machine runs five tasks in a bare environment; the C suite passes under musl's loader."""
    build("x86_64", "--libc", "all", "--run")


def test_cibuildwheel_would_build_the_same_set() -> None:
    """The settings in pyproject.toml name one build for each of our targets."""
    arches = ("x86_64", "aarch64", "armv7l")
    wanted = {f"cp310-{libc}_{arch}" for libc in ("manylinux", "musllinux") for arch in arches}
    assert set(cibuildwheel.identifiers()) == wanted


def test_the_workflow_runs_the_cibuildwheel_that_was_tried() -> None:
    """GitHub's workflow names the version that the local run and the check of the settings use."""
    workflow = (cache.ROOT / ".github" / "workflows" / "wheels.yml").read_text()
    assert f"pypa/cibuildwheel@v{cibuildwheel.REQUIREMENT.split('==')[1]}" in workflow
