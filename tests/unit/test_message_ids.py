"""The ids of events: sent to a journal, and nowhere else in memory."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

from pvsched.log import Log
from pvsched.message_ids import MESSAGE_IDS
from tests.patience import patience


def test_a_known_event_carries_its_id_to_the_journal(tmp_path: Path) -> None:
    """Another message has none."""
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        log = Log("info", "journald", environ={}, journal=path)
        log.warning("object-rotten", sha256="ab")
        log.info("something else")
        first, second = journal.recv(65536), journal.recv(65536)
        log.close()
    assert b"\nMESSAGE_ID=4761756018084161a560daf3eb40d7cf\n" in first
    assert b"\nPVSCHED_SHA256=ab\n" in first
    assert b"MESSAGE_ID" not in second


def test_ids_are_ids() -> None:
    """128 bits in lower-case hexadecimal, as sd_id128_t is written."""
    assert all(re.fullmatch(r"[0-9a-f]{32}", id) for id in MESSAGE_IDS.values())


def test_without_a_journal_the_table_is_not_loaded() -> None:
    """Other logs weigh nothing more for it."""
    code = "import sys; from pvsched.log import Log; Log('info', 'json').info('ready')"
    code += "; print('pvsched.message_ids' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=patience(60), check=True
    )
    assert done.stdout == "False\n"
