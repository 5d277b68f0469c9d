"""board/check-layer finds nothing in the layer, and finds faults that are put into a copy of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.board, pytest.mark.timeout(5400)]


def check(*arguments: str, repositories: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the script; without `repositories` as where openembedded-core is absent."""
    environment = {name: value for name, value in os.environ.items() if repositories or not name.startswith("PVSCHED_")}
    if "PVSCHED_BOARD_CACHE" in os.environ:
        environment["PVSCHED_BOARD_CACHE"] = os.environ["PVSCHED_BOARD_CACHE"]
    command = [sys.executable, str(ROOT / "board" / "check-layer"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=5000, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the layer, to put a fault into."""
    return Path(shutil.copytree(ROOT / "yocto-layer", tmp_path / "yocto-layer"))


def change(file: Path, old: str, new: str) -> None:
    """Put a fault into a file."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_oelint_and_kas_find_nothing_and_the_rest_is_said() -> None:
    """Without openembedded-core the style is checked, and what was left out is named."""
    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == ["ok    oelint-adv", "ok    kas dump"]
    assert "SKIPPED bitbake, yocto-check-layer" in done.stderr


def test_oelint_and_kas_see_faults(copy: Path) -> None:
    """A recipe without a LICENSE, and a kas file with a wrong key, are findings: exit status 1."""
    change(copy / "recipes-pvsched/pvsched/pvsched.inc", "LICENSE =", "LICENCE =")
    change(copy / "kas/qemuarm-scarthgap.yml", "machine: qemuarm", "mashine: qemuarm")
    done = check("--layer", str(copy))
    assert done.returncode == 1
    assert "FAIL  oelint-adv" in done.stdout
    assert "FAIL  kas dump" in done.stdout
    assert "qemuarm-scarthgap.yml" in done.stdout


@pytest.fixture
def repositories() -> None:
    """Skip where openembedded-core is not there."""
    if not (os.environ.get("PVSCHED_OE_CORE") and os.environ.get("PVSCHED_BITBAKE")):
        pytest.skip("lacks openembedded-core: PVSCHED_OE_CORE and PVSCHED_BITBAKE name no repositories")


@pytest.mark.parametrize("release", ["scarthgap", "wrynose"])
def test_bitbake_and_check_layer_find_nothing(repositories: None, release: str) -> None:
    """The layer parses, its dependencies resolve, and yocto-check-layer passes."""
    done = check("--release", release, repositories=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok    {release}: yocto-check-layer" in done.stdout


FAULTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "no README": ("yocto-check-layer", lambda layer: (layer / "README.md").unlink()),
    "a misspelt package": (
        "bitbake -p, -e, -g",
        lambda layer: change(layer / "recipes-pvsched/pvsched/pvsched.inc", "python3-fcntl", "python3-fnctl"),
    ),
    "no series": (
        "bitbake -p, -e, -g",
        lambda layer: change(layer / "conf/layer.conf", "scarthgap wrynose", "kirkstone"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bitbake_and_check_layer_see_faults(repositories: None, copy: Path, fault: str) -> None:
    """A fault of the layer is a finding of the check that is to see it."""
    where, seed = FAULTS[fault]
    seed(copy)
    done = check("--release", "scarthgap", "--layer", str(copy), repositories=True)
    assert done.returncode == 1
    assert f"FAIL  scarthgap: {where}" in done.stdout, done.stdout + done.stderr
