"""`board/tools/debian.py`: a private apt that asks, downloads and unpacks, and tells what went wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from board.tools import debian
from board.tools.debian import Archive, Package
from board.tools.progress import Failure

PRINTED = """Reading package lists...
The following NEW packages will be installed:
  busybox-static libc6
'http://mirror/pool/b/busybox-static_1.35.0-4%2bb1_armhf.deb' busybox-static_1%3a1.35.0-4+b1_armhf.deb 820316 SHA256:aa
'http://mirror/pool/g/libc6_2.36-9+deb12u9_armhf.deb' libc6_2.36-9+deb12u9_armhf.deb 2359404 SHA256:bb
"""


class FakeApt:
    """Answers like apt-get, from a list; keeps what it was asked."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *arguments: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Give the next answer; the last one again and again."""
        self.asked.append(arguments)
        status, said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return subprocess.CompletedProcess(arguments, status, said)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One with folders of its own, no network, and no naps."""
    monkeypatch.setenv("PVSCHED_BOARD_CACHE", str(tmp_path))
    monkeypatch.setattr(debian.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(debian, "sources", lambda *release: ["deb http://mirror bookworm main"])
    made = Archive("armhf", tmp_path / "apt")
    monkeypatch.setattr(made, "_settings", lambda: "")
    return made


def test_what_apt_prints_becomes_packages(archive: Any) -> None:
    """Names, versions with an epoch, and hashes; an answer is kept until the lists are new."""
    archive._run = apt = FakeApt((0, ""), (0, PRINTED))
    found = archive.closure(["busybox-static"])
    assert [(package.name, package.version, package.hash) for package in found] == [
        ("busybox-static", "1:1.35.0-4+b1", "SHA256:aa"),
        ("libc6", "2.36-9+deb12u9", "SHA256:bb"),
    ]
    asked = len(apt.asked)
    assert archive.closure(["busybox-static"]) == found
    assert len(apt.asked) == asked


def test_a_download_that_broke_off_is_not_a_package(archive: Any) -> None:
    """Half a file, of an interrupt or a full disk, is never unpacked: it is downloaded once more."""
    package = Package("libc6_2.36-9+deb12u9_armhf.deb", "SHA256:bb")

    def run(status: int, text: str) -> Any:
        def apt(*arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
            (where / package.file).write_text(text)
            return subprocess.CompletedProcess(arguments, status, "E: No space left on device")

        return apt

    archive._run = run(100, "half")
    with pytest.raises(Failure, match="No space left"):
        archive.fetch([package])
    archive._run = run(0, "whole")
    (file,) = archive.fetch([package])
    assert file.read_text() == "whole"
    archive._run = None  # it is not asked for again
    assert archive.fetch([package]) == [file]


def test_no_packages_is_a_failure(archive: Any) -> None:
    """A name that apt answers with nothing never becomes an empty root file system."""
    archive._run = FakeApt((0, "Reading package lists...\n"))
    with pytest.raises(Failure, match="names no packages"):
        archive.closure(["nothing"])


def test_lists_that_do_not_come_are_a_failure(archive: Any) -> None:
    """Without the release's own list nothing goes on; it was tried three times."""
    archive._run = apt = FakeApt((100, "E: Failed to fetch http://mirror\n"))
    with pytest.raises(Failure, match="no lists of packages"):
        archive.closure(["libc6"])
    assert [words[0] for words in apt.asked] == ["update"] * 3


def test_a_list_of_updates_may_stay_away(archive: Any) -> None:
    """A mirror in the middle of an update: the release's own list is enough."""
    lists = archive.folder / "state" / "lists"
    (lists / "mirror_dists_bookworm_main_binary-armhf_Packages.lz4").touch()
    archive._run = FakeApt(*[(100, "E: Failed to fetch security\n")] * 3, (0, PRINTED))
    assert len(archive.closure(["libc6"])) == 2


def test_a_package_that_the_mirror_has_replaced_is_asked_for_again(archive: Any) -> None:
    """Old lists name what is gone: they are got anew, once."""
    archive._run = apt = FakeApt((0, ""), (100, "E: Failed to fetch x.deb  404  Not Found\n"), (0, ""), (0, PRINTED))
    assert len(archive.closure(["libc6"])) == 2
    assert [words[0] for words in apt.asked] == ["update", "install", "update", "install"]


def test_a_file_that_is_there_is_not_downloaded(archive: Any) -> None:
    """Under the name that apt gives it, epoch and all."""
    (archive.files / "busybox-static_1%3a1.35.0-4+b1_armhf.deb").touch()
    archive._run = apt = FakeApt((1, "never"))
    assert archive.fetch([Package("busybox-static_1:1.35.0-4+b1_armhf.deb", "SHA256:aa")])[0].exists()
    assert apt.asked == []


@pytest.mark.parametrize("origin", ["Debian", ""], ids=["after an update", "before one"])
def test_debian_comes_from_where_the_host_has_it(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    """The host's own mirrors serve, for another release too; what is not Debian's does not."""
    said = f"http://m/debian|bookworm|{origin}\nhttp://s|bookworm-security|{origin}\nhttp://x|bookworm-pgdg|\nhttp://y|bookworm|Y\n"
    monkeypatch.setattr(debian.host, "run", lambda *command: subprocess.CompletedProcess(command, 0, said))
    monkeypatch.setattr(debian, "KEYRING", Path("/nonexistent"))
    for release in ("bookworm", "trixie"):
        expected = [f"deb http://m/debian {release} main", f"deb http://s {release}-security main"]
        assert debian.sources(release) == expected


def test_a_host_without_debian_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror is guessed."""
    monkeypatch.setattr(debian.host, "run", lambda *command: subprocess.CompletedProcess(command, 0, ""))
    with pytest.raises(Failure, match="no source of Debian"):
        debian.sources()
