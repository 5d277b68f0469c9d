"""A guest that runs beside us: its console is read, and it may be killed at any moment.

with Console(guest, "command") as console:
    console.expect("ready", 60)
    console.kill()
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from board.tools.guest import Guest, die_with_parent
from board.tools.progress import Failure

LAST = 4000  # bytes of the console that a failure shows


class Console:
    """One run of a guest. Leaving the block kills what still runs."""

    def __init__(self, guest: Guest, command: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pvsched-guest-")
        job = Path(self._folder.name)
        guest.prepare(job, command)
        self._process = subprocess.Popen(
            guest.command(job), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=die_with_parent
        )
        self._said = b""
        self._looked = 0

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._folder.cleanup()

    def expect(self, text: str, limit: float) -> None:
        """Wait until the guest has said a text, behind what was expected before. Failure where it does not."""
        end = time.monotonic() + limit
        while (found := self._said.find(text.encode(), self._looked)) < 0:
            if not self._read(end):
                ended = "before it ended" if time.monotonic() < end else f"within {limit:.0f} s"
                raise Failure(f"the guest did not say {text!r} {ended}:\n{self.tail()}", code=1)
        self._looked = found + len(text)

    def wait(self, limit: float) -> int:
        """Wait for the guest's power to go off; return its command's exit status."""
        end = time.monotonic() + limit
        while self._read(end):
            pass
        try:
            return self._process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Failure(f"the guest did not end within {limit:.0f} s:\n{self.tail()}", code=1) from None

    def kill(self) -> None:
        """Cut the power: SIGKILL to the emulator. Nothing is flushed. Harmless where it has ended.

        What the guest had said by then is still read.
        """
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        if not self._process.stdout.closed:
            while self._read(time.monotonic()):
                pass
            self._process.stdout.close()

    def said(self, text: str) -> bool:
        """Tell whether the guest has said a text, of what was read so far."""
        return text.encode() in self._said

    def tail(self) -> str:
        """Return the last of what the guest said."""
        return self._said[-LAST:].decode(errors="replace")

    def _read(self, end: float) -> bool:
        """Read what comes next; False at the end of the time or of the guest."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        block = os.read(self._process.stdout.fileno(), 65536)
        self._said += block
        return bool(block)
