"""A real daemon for a measurement: `pvsched run` in a directory of its own, gone afterwards with all it made."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType

from pvsched.bench.family import marked
from pvsched.bench.orphans import end_with_parent
from pvsched.errors import PvschedError

PATIENCE = 120.0  # seconds from exec to the first answer: an emulated board on a busy host took 28
STOPPING = 10.0
MARK = "PVSCHED_BENCH"
# What the installed `pvsched` script does; -m would import runpy and importlib, and keep them for ever.
ENTRY = "import sys; from pvsched.cli import main; sys.exit(main())"
HELLO = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Service:
    """A daemon with so many workers, in a fresh directory below `parent` (default: where temporary files go)."""

    def __init__(self, workers: int, parent: str | None = None, arguments: Sequence[str] = ()) -> None:
        self.directory = tempfile.mkdtemp(prefix="pvsched-bench-", dir=parent)
        self.socket = os.path.join(self.directory, "pv-ctrl")
        self.state = os.path.join(self.directory, "state")
        self.log = os.path.join(self.directory, "log")
        self.started = 0.0  # seconds from exec to the first answer
        self._process: subprocess.Popen[bytes] | None = None
        self._arguments = ["--state", self.state, "--socket", self.socket, "--workers", str(workers), *arguments]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def family(self) -> list[int]:
        """The daemon, its keeper, its workers."""
        return marked(f"{MARK}={self.directory}")

    def objects(self) -> str:
        """The directory of the stored objects."""
        return os.path.join(self.state, "objects")

    def __enter__(self) -> Service:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        began = time.perf_counter()
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", ENTRY, "run", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, MARK: self.directory},
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        while not answers(self.socket):
            if self._process.poll() is not None:
                raise self.failed(f"the daemon left with status {self._process.returncode}")
            if time.perf_counter() - began > PATIENCE:
                raise self.failed(f"the daemon did not answer within {PATIENCE:.0f} s")
            time.sleep(0.001)
        self.started = time.perf_counter() - began

    def failed(self, text: str) -> PvschedError:
        with open(self.log, errors="replace") as log:
            last = log.read().strip().splitlines()[-3:]
        return PvschedError(": ".join([text, *last]), code="daemon-failed", hint="pvsched run   shows the whole of it")

    def stop(self) -> None:
        """Ends the daemon and removes the directory. May be called twice."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOPPING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def answers(path: str) -> bool:
    """Does somebody answer a small request there?"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5.0)
        try:
            client.connect(path)
            client.sendall(HELLO)
            return client.recv(16).startswith(b"HTTP/1.1 200")
        except OSError:
            return False
