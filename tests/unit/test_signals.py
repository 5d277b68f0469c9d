"""Signals are read from a descriptor, in the loop."""

from __future__ import annotations

import os
import select
import signal

from pvsched.signals import Signals


def test_a_signal_becomes_a_call_from_the_loop() -> None:
    """Nothing is called until the loop reads; then each signal once, in order."""
    heard: list[str] = []
    before = signal.getsignal(signal.SIGUSR1)
    signals = Signals({signal.SIGUSR1: lambda: heard.append("1"), signal.SIGUSR2: lambda: heard.append("2")})
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert select.select([signals], [], [], 5)[0]
    assert heard == []
    signals.read()
    assert heard == ["2", "1"]
    signals.read()
    assert heard == ["2", "1"]
    signals.close()
    assert signal.getsignal(signal.SIGUSR1) is before


def test_closing_gives_the_descriptors_back() -> None:
    """And the wakeup descriptor that the host had."""
    before = sorted(os.listdir("/proc/self/fd"))
    Signals({signal.SIGUSR1: lambda: None}).close()
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert signal.set_wakeup_fd(-1) == -1
