"""How a measurement ends when somebody ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import patience

MEASURING = """
import os, signal, sys, time
if sys.argv[2] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from pvsched.bench.orphans import clean_up_on_sigterm
clean_up_on_sigterm()
pid = os.fork()
if pid == 0:
    signal.raise_signal(int(sys.argv[3]))
    os._exit(9)
try:
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    time.sleep(float(sys.argv[4]))
finally:
    os.unlink(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("number", "mode", "child"),
    [
        (signal.SIGTERM, "plain", -signal.SIGTERM),
        (signal.SIGHUP, "plain", -signal.SIGHUP),
        (signal.SIGHUP, "nohup", 9),
    ],
)
def test_who_ends_it_leaves_no_file_behind(number: int, mode: str, child: int, tmp_path: Path) -> None:
    """kill, and an ssh that breaks: what was made is removed. Under nohup it goes on; a fork ends as any process."""
    made = tmp_path / "made"
    made.touch()
    sleep = "1" if mode == "nohup" else "60"
    command = [sys.executable, "-c", MEASURING, str(made), mode, str(int(number)), sleep]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{int(child)}\n"
        process.send_signal(number)
        assert (process.wait(patience(30)) == 0) == (mode == "nohup")
    assert not made.exists()
