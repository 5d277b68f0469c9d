"""board/release-tarball makes the same bytes from a commit, and pins the recipes to them."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import io
import re
import subprocess
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from board.tools.progress import Failure

ROOT = Path(__file__).resolve().parent.parent.parent
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", f"safe.directory={ROOT}"]


@pytest.fixture
def script() -> ModuleType:
    """Return the script as a module."""
    loader = importlib.machinery.SourceFileLoader("release_tarball", str(ROOT / "board" / "release-tarball"))
    spec = importlib.util.spec_from_loader("release_tarball", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a small repository of the project's shape, with one commit."""
    place = tmp_path / "repository"
    for name, text in {
        "pyproject.toml": 'version = "1.2.3"\n', "pvsched/__init__.py": "", "yocto-layer/conf/layer.conf": "x",
        ".ci/run": "x", ".github/workflows/ci.yml": "x",
    }.items():  # fmt: skip
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*GIT, "-C", str(place), *command], check=True)
    return place


def test_the_same_bytes_without_the_layer(script: ModuleType, repository: Path) -> None:
    """Two tarballs of one commit are equal, have one top folder, and neither the layer nor CI's files."""
    first = script.tarball(repository, "HEAD")
    (repository / "pvsched" / "__init__.py").write_text("not committed")
    assert script.tarball(repository, "HEAD") == first
    assert first[:10] == b"\x1f\x8b\x08\0\0\0\0\0\x02\xff", "a header that depends on Python's version"
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        names = [member.name for member in tar.getmembers() if member.isfile()]
    assert sorted(names) == ["pvsched-1.2.3/pvsched/__init__.py", "pvsched-1.2.3/pyproject.toml"]


def test_pinning_changes_what_depends_on_the_tarball(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commit, hash and version are written into both include files, and nothing else is."""
    for name in ("RELEASE", "GIT"):
        copy = tmp_path / getattr(script, name).name
        copy.write_text(getattr(script, name).read_text())
        monkeypatch.setattr(script, name, copy)
    before = script.RELEASE.read_text()
    script.pin("f" * 40, "9.9", "e" * 64)
    assert script.pinned_commit() == "f" * 40
    assert f'SRC_URI[release.sha256sum] = "{"e" * 64}"' in script.RELEASE.read_text()
    assert "/pvsched-9.9.tar.gz;" in script.RELEASE.read_text()
    assert 'PV = "9.9+git"' in script.GIT.read_text()
    changed = [pair for pair in zip(before.splitlines(), script.RELEASE.read_text().splitlines()) if pair[0] != pair[1]]
    assert len(changed) == 3
    script.GIT.write_text("nothing to pin\n")
    before = script.RELEASE.read_text()
    with pytest.raises(Failure):
        script.pin("a" * 40, "9.9", "e" * 64)
    assert script.RELEASE.read_text() == before, "one file names another commit than the other"


def test_bytes_that_bitbake_would_refuse_are_not_written(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another zlib packs, the tarball is not the recipes': that is told, and the file that was there stays."""
    monkeypatch.setattr(script, "named", lambda _: script.pinned_commit())
    monkeypatch.setattr(script, "version_at", lambda *_: "1.2.3")
    monkeypatch.setattr(script, "tarball", lambda *_: b"packed otherwise")
    with pytest.raises(Failure, match=r"zlib .* other bytes than the recipes name") as caught:
        script.main(["--output", str(tmp_path)])
    assert "from git" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(script, "named", lambda _: "f" * 40)  # which no recipe names
    assert script.main(["HEAD", "--output", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("words", "status"), [(["--pim"], 100), (["f" * 40], 100), (["HEAD", "--output", "/proc/there-is-none"], 111)]
)
def test_what_keeps_it_from_being_made_is_told(words: list[str], status: int) -> None:
    """A line and what to do next, with the exit status that all of board/ has; no traceback."""
    if not (ROOT / ".git").exists():
        pytest.skip("lacks git history: this is no clone")
    command = [ROOT / "board" / "release-tarball", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert done.stderr.startswith("board/release-tarball: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_recipes_hash_is_that_of_their_commit(script: ModuleType) -> None:
    """The tarball of the commit that the recipe names has the hash that it names: a stranger can make it."""
    commit = script.pinned_commit()
    known = subprocess.run([*GIT, "-C", str(ROOT), "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True)
    if known.returncode != 0:
        pytest.skip(f"lacks git history: this clone has no {commit[:12]}")
    found = re.search(r'SRC_URI\[release\.sha256sum\] = "([0-9a-f]{64})"', script.RELEASE.read_text())
    assert found is not None
    assert hashlib.sha256(script.tarball(ROOT, commit)).hexdigest() == found.group(1)
