"""The socket's file: right from its first moment, never stolen, gone at the end."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from pvsched.socket_file import SocketFile, SocketInUse, SocketUnusable, answers


def stale(path: Path) -> None:
    """A socket file that no server stands behind."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def test_the_file_has_its_mode_and_leads_to_the_socket(tmp_path: Path) -> None:
    """A client can connect; nothing but the socket is in the directory."""
    path = tmp_path / "run" / "pv-ctrl"
    made = SocketFile.listen(str(path), 0o640, str(os.getgid()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_gid == os.getgid()
    assert os.listdir(path.parent) == ["pv-ctrl"]
    assert answers(str(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        made.sock.accept()[0].close()
    made.remove()
    made.close()
    assert os.listdir(path.parent) == []


def test_our_own_group_takes_no_chown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit for devices without containers allows no chown(); `control.group` may name the daemon's group there."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chown", refused)
    path = tmp_path / "pv-ctrl"
    made = SocketFile.listen(str(path), 0o660, str(os.getegid()))
    assert path.stat().st_gid == os.getegid()
    made.remove()
    made.close()
    with pytest.raises(SocketUnusable, match=r"control\.group: .* group 64999: Operation not permitted") as caught:
        SocketFile.listen(str(path), 0o660, "64999")
    assert "SupplementaryGroups=" in caught.value.hint
    assert os.listdir(tmp_path) == []


def test_a_living_socket_is_not_stolen(tmp_path: Path) -> None:
    """Not even if its backlog is full."""
    path = str(tmp_path / "pv-ctrl")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(path)
            with pytest.raises(SocketInUse):
                SocketFile.listen(path, 0o660, "")
            assert answers(path)
    assert not answers(path)


def test_a_stale_file_is_replaced(tmp_path: Path) -> None:
    """What a killed daemon left is no obstacle."""
    path = tmp_path / "pv-ctrl"
    stale(path)
    made = SocketFile.listen(str(path), 0o660, "")
    assert answers(str(path))
    made.remove()
    made.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A typo in --socket must not delete a file."""
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(SocketUnusable):
        SocketFile.listen(str(path), 0o660, "")
    assert path.read_text() == "data"


def test_a_path_longer_than_an_address_holds(tmp_path: Path) -> None:
    """sun_path holds 107 bytes; directories may be deeper."""
    path = tmp_path / ("d" * 120) / "pv-ctrl"
    made = SocketFile.listen(str(path), 0o660, "")
    assert answers(str(path))
    made.remove()
    made.close()


def test_an_unknown_group_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """And nothing is left behind."""
    with pytest.raises(SocketUnusable) as caught:
        SocketFile.listen(str(tmp_path / "pv-ctrl"), 0o660, "no-such-group")
    assert "groupadd" in caught.value.hint
    assert os.listdir(tmp_path) == []


def test_the_link_is_made_over_stale_ones_and_removed(tmp_path: Path) -> None:
    """A dangling link and a stale socket give way; at the end the link is gone."""
    made = SocketFile.listen(str(tmp_path / "pv-ctrl"), 0o660, "")
    link = tmp_path / "deep" / "link"
    assert made.make_link(str(link)) == ""
    assert os.readlink(link) == str(tmp_path / "pv-ctrl")
    made.remove()
    made.close()
    assert not os.path.lexists(link)
    stale(link)
    made = SocketFile.listen(str(tmp_path / "pv-ctrl"), 0o660, "")
    assert made.make_link(str(link)) == ""
    assert answers(str(link))
    made.remove()
    made.close()


def test_the_link_of_a_killed_daemon_is_taken_over(tmp_path: Path) -> None:
    """It leads to our own socket: nobody else answers there, and it goes with us."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "pv-ctrl")
    made = SocketFile.listen(str(tmp_path / "pv-ctrl"), 0o660, "")
    assert made.make_link(str(link)) == ""
    assert answers(str(link))
    made.remove()
    made.close()
    assert not os.path.lexists(link)


def test_the_link_is_not_made_where_somebody_answers_or_a_file_stands(tmp_path: Path) -> None:
    """A real Pantavisor keeps its clients."""
    made = SocketFile.listen(str(tmp_path / "pv-ctrl"), 0o660, "")
    other = SocketFile.listen(str(tmp_path / "other"), 0o660, "")
    assert "answers" in made.make_link(str(tmp_path / "other"))
    (tmp_path / "file").write_text("x")
    assert "something else" in made.make_link(str(tmp_path / "file"))
    for one in (made, other):
        one.remove()
        one.close()


def test_what_another_daemon_made_meanwhile_is_not_removed(tmp_path: Path) -> None:
    """Only our own file and our own link go."""
    path = tmp_path / "pv-ctrl"
    made = SocketFile.listen(str(path), 0o660, "")
    made.make_link(str(tmp_path / "link"))
    made.close()
    other = SocketFile.listen(str(path), 0o660, "")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("/elsewhere")
    made.remove()
    assert answers(str(path))
    assert os.readlink(tmp_path / "link") == "/elsewhere"
    other.remove()
    other.close()


def test_a_passed_socket_must_listen(tmp_path: Path) -> None:
    """Anything else is refused, and its file is never removed."""
    with socket.socket(socket.AF_UNIX) as idle:
        duplicate = os.dup(idle.fileno())
        with pytest.raises(SocketUnusable):
            SocketFile.passed(duplicate)
        os.close(duplicate)
        idle.bind(str(tmp_path / "pv-ctrl"))
        idle.listen()
        passed = SocketFile.passed(os.dup(idle.fileno()))
        assert passed.path == str(tmp_path / "pv-ctrl")
        passed.remove()
        passed.close()
    assert (tmp_path / "pv-ctrl").exists()
