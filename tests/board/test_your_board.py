"""The page "Your board in ten minutes": its commands, as they stand there, from start to end, with QEMU for a board."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from board.tools import cache, rootfs
from board.tools.guest import Guest, Share
from board.tools.machine import machine
from board.tools.site import pip_python
from board.tools.systemd_layer import systemd

PAGE = cache.ROOT / "docs" / "tutorial" / "your-board.md"
BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT = 1500  # seconds, on a busy machine


def blocks(number: int) -> list[str]:
    """Return the commands of one numbered part of the page."""
    part = re.search(rf"^## {number}\..*?(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert part is not None
    return BLOCK.findall(part.group())


def test_the_page_has_all_its_parts() -> None:
    """Nothing of what the guest is to try has got lost: six parts, the fourth for systemd and for sysvinit."""
    assert [len(blocks(number)) for number in range(1, 7)] == [1, 1, 1, 2, 1, 1]


def carried(tmp_path: Path) -> Path:
    """Do the first part, all but the copying over: a folder with wheels and units."""
    commands, copying = blocks(1)[0].rstrip().rsplit("\n", 1)
    assert copying == "scp -r for-the-board root@BOARD:"
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "board").symlink_to(cache.ROOT / "board")
    (folder / "build").mkdir()
    (folder / "build" / "board").symlink_to(cache.home())  # the page knows no $PVSCHED_BOARD_CACHE
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text(f'#!/bin/sh\nexec {pip_python()} "$@"\n')
    (tmp_path / "bin" / "python3").chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    subprocess.run(["sh", "-eu", "-c", commands], cwd=folder, env={**os.environ, "PATH": path}, timeout=900, check=True)
    return folder / "for-the-board"


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.timeout(LIMIT + 900)
def test_the_page_works_on_a_board(tmp_path: Path) -> None:
    """Each command of the page ends well, in its order, on a 32-bit ARM kernel under systemd, and under sysvinit."""
    share = tmp_path / "share"
    share.mkdir()
    shutil.move(carried(tmp_path), share / "for-the-board")
    with_systemd, with_sysvinit = blocks(4)
    between = "systemctl stop pvsched\n"
    parts = [*blocks(2), *blocks(3), with_systemd, *blocks(5), between, with_sysvinit, *blocks(5), *blocks(6)]
    script = "".join(["set -eux\ncp -r /share/for-the-board .\n", *parts, "cp board.md /share/\n"])
    (share / "page").write_text(script)
    board = machine("armhf")
    guest = Guest(
        board, [systemd(board), rootfs.rootfs(board)], memory=512, cores=2, limit=LIMIT, start="start-systemd"
    )
    guest.shares.append(Share(share, "/share", writable=True))
    with (tmp_path / "output").open("wb") as output:
        status = guest.run("sh /share/page 2>&1", output=output.fileno())
    said = (tmp_path / "output").read_text(errors="replace")
    sys.stdout.write(said)
    assert status == 0, said[-3000:]
    assert "is-active pvsched\nactive\n" in said
    assert "PUT" in (share / "board.md").read_text()
