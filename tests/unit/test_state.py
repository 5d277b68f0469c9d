"""The state directory: one daemon at a time, and only formats that we know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pvsched.state import FORMAT, StateDirectory, StateLocked, StateTooNew, StateUnusable


def test_a_new_directory_gets_its_format(tmp_path: Path) -> None:
    """Made with its parents, for us alone; few writes, and counted."""
    path = tmp_path / "a" / "state"
    state = StateDirectory.open(str(path))
    assert (path / "format").read_text() == f"pvsched-state {FORMAT}\n"
    assert path.stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(path)) == ["format", "lock"]
    assert state.flash.writes == 2
    state.close()
    again = StateDirectory.open(str(path))
    assert again.flash.writes == 1
    again.close()


def test_the_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    """A second one is told the pid; when the first is killed the directory is free at once."""
    program = (
        "import sys\n"
        "from pvsched.state import StateDirectory\n"
        "state = StateDirectory.open(sys.argv[1])\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(StateLocked) as caught:
            StateDirectory.open(str(tmp_path))
        assert caught.value.pid == holder.pid
        assert str(holder.pid) in str(caught.value)
        assert caught.value.code == "state-locked"
        holder.kill()
        holder.wait()
        StateDirectory.open(str(tmp_path)).close()


def test_a_newer_format_is_refused_and_not_touched(tmp_path: Path) -> None:
    """Old software must not write into what it does not understand."""
    (tmp_path / "format").write_text(f"pvsched-state {FORMAT + 1}\n")
    with pytest.raises(StateTooNew, match=f"format {FORMAT + 1}"):
        StateDirectory.open(str(tmp_path))
    assert (tmp_path / "format").read_text() == f"pvsched-state {FORMAT + 1}\n"


@pytest.mark.parametrize("text", ["", "something else", "pvsched-state x"])
def test_a_strange_format_file_is_refused(tmp_path: Path, text: str) -> None:
    """A directory of somebody else's is not taken over."""
    (tmp_path / "format").write_text(text)
    with pytest.raises(StateUnusable):
        StateDirectory.open(str(tmp_path))


def test_a_path_that_is_a_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The error names the path and what the kernel said."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable, match="file"):
        StateDirectory.open(str(tmp_path / "file"))


def test_a_refusal_leaves_no_descriptor_and_no_lock(tmp_path: Path) -> None:
    """After each kind of refusal the set of descriptors is what it was, and the lock can be taken."""
    before = sorted(os.listdir("/proc/self/fd"))
    (tmp_path / "format").write_text("pvsched-state 99\n")
    for _ in range(3):
        with pytest.raises(StateTooNew):
            StateDirectory.open(str(tmp_path))
    assert sorted(os.listdir("/proc/self/fd")) == before
    (tmp_path / "format").unlink()
    StateDirectory.open(str(tmp_path)).close()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever can write there could make us truncate any file."""
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lock").symlink_to(target)
    with pytest.raises(StateUnusable):
        StateDirectory.open(str(tmp_path / "state"))
    assert target.read_text() == "precious"


def test_close_may_be_called_twice(tmp_path: Path) -> None:
    """The second time closes nobody else's descriptor."""
    state = StateDirectory.open(str(tmp_path))
    state.close()
    before = sorted(os.listdir("/proc/self/fd"))
    state.close()
    assert sorted(os.listdir("/proc/self/fd")) == before
