"""A small question every 2 ms over one kept connection: how long each answer took, and how many came at all."""

from __future__ import annotations

import socket
import time
from array import array
from collections.abc import Callable, Sequence

QUESTION = b"GET /containers HTTP/1.1\r\nHost: localhost\r\n\r\n"
PERIOD = 0.002  # seconds between two questions
PATIENCE = 60.0


class Latencies:
    """What a probe saw. at: seconds since its start when each question went out; took: seconds until its answer."""

    def __init__(self, asked: int, at: Sequence[float], took: Sequence[float]) -> None:
        self.asked = asked  # how many slots of 2 ms passed
        self.at = at
        self.took = took

    def quantile(self, fraction: float) -> float:
        """Seconds; nearest rank."""
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] if ordered else float("nan")

    def slices(self, count: int, seconds: float) -> list[float]:
        """The longest wait in each of `count` equal slices of time; it counts in every slice that it touches."""
        width = seconds / count
        worst = [0.0] * count
        for at, took in zip(self.at, self.took, strict=True):
            for number in range(int(at / width), min(count - 1, int((at + took) / width)) + 1):
                worst[number] = max(worst[number], took)
        return worst


class Asker:
    """One kept connection that asks the same question again and again."""

    def __init__(self, path: str, question: bytes = QUESTION) -> None:
        self.question = question
        self.buffer = bytearray(65536)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)

    def ask(self) -> float:
        """Seconds from the question to the last byte of its answer. OSError where none comes."""
        began = time.perf_counter()
        self.socket.sendall(self.question)
        count = self.socket.recv_into(self.buffer)
        needed = 0
        while count and (not needed or count < needed):
            needed = needed or whole(self.buffer[:count])
            if needed and count >= needed:
                break
            more = self.socket.recv_into(memoryview(self.buffer)[count:])
            count = count + more if more else 0
        if not count:
            raise ConnectionError("the daemon closed the probe's connection")
        return time.perf_counter() - began

    def close(self) -> None:
        self.socket.close()


def whole(start: bytearray) -> int:
    """Length of the whole answer that begins so; 0 while its head has no end."""
    end = start.find(b"\r\n\r\n")
    if end < 0:
        return 0
    _, _, after = bytes(start[:end]).lower().partition(b"content-length:")
    return end + 4 + int(after.split(b"\r\n")[0] or b"0")


class Probe:
    """Questions to one path, in one or more bursts."""

    def __init__(self, path: str, period: float = PERIOD) -> None:
        self.asker = Asker(path)
        self.asker.ask()
        self.period = period
        self.asked = 0
        self.at, self.took = array("d"), array("d")

    def burst(self, seconds: float, origin: float, tell: Callable[[float], None] | None = None) -> None:
        """Asks for so many seconds. A slot that passes while an answer is awaited counts as asked, and never answered.
        origin: the time that `at` counts from."""
        began, before = time.perf_counter(), len(self.took)
        slot = 0
        while (now := time.perf_counter() - began) < seconds:
            if now < slot * self.period:
                time.sleep(slot * self.period - now)
            self.at.append(time.perf_counter() - origin)
            self.took.append(self.asker.ask())
            slot = max(slot + 1, int((time.perf_counter() - began) / self.period))
            if tell is not None and not len(self.took) % 50:
                tell(time.perf_counter() - origin)
        self.asked += max(len(self.took) - before, int(seconds / self.period))

    def seen(self) -> Latencies:
        return Latencies(self.asked, self.at, self.took)

    def close(self) -> None:
        self.asker.close()


def probe(path: str, seconds: float, *, tell: Callable[[float], None] | None = None) -> Latencies:
    """One burst of so many seconds. tell: hears now and then how many have passed."""
    made = Probe(path)
    try:
        made.burst(seconds, time.perf_counter(), tell)
        return made.seen()
    finally:
        made.close()


def alternate(paths: Sequence[str], seconds: float, block: float = 0.1) -> list[Latencies]:
    """Bursts of `block` seconds to each path in turn, so many seconds in all: all of them see the same machine."""
    probes = [Probe(path) for path in paths]
    try:
        origin = time.perf_counter()
        while time.perf_counter() - origin < seconds:
            for one in probes:
                one.burst(block, origin)
        return [one.seen() for one in probes]
    finally:
        for one in probes:
            one.close()
