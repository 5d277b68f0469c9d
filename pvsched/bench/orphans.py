"""No measurement may leave a process behind, however it ends: `timeout`, Ctrl-C and kill -9 included; nor a file, but
after kill -9.
"""

from __future__ import annotations

import ctypes
import os
import signal
from types import FrameType
from typing import NoReturn

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """For Popen's preexec_fn: SIGTERM when the process that started us dies (it has one thread)."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def interrupted(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def clean_up_on_sigterm() -> None:
    """SIGTERM ends this process as Ctrl-C does: an exception, past every `finally`. So does the SIGHUP of a connection
    that goes, if nohup does not have it ignored. Its forks keep the default.
    """
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        signal.signal(number, interrupted)

    def as_usual() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    os.register_at_fork(after_in_child=as_usual)
