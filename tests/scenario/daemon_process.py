"""A real daemon as a process of its own, in a directory of its own; and the check that nothing of it is left."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.patience import patience

ROOT = Path(__file__).parents[2]
PATIENCE = patience(30)  # seconds before a test gives up on something that should come at once
T = TypeVar("T")
MARK = "DAEMON_TEST_MARK"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


class Answer:
    """One answer, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class DaemonProcess:
    """Starts when asked, is told to stop at the end, and must then leave no process and no socket."""

    def __init__(self, directory: Path, *options: str, config: str = "", environ: dict[str, str] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.state = directory / "state"
        self.socket = directory / "pv-ctrl"
        self.config = directory / "pvsched.toml"
        self.config.write_text(config)
        self.options = options
        self.wrapper: tuple[str, ...] = ()  # a command that runs the daemon, and lets it keep the pid
        self.mark = uuid.uuid4().hex
        self.environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), MARK: self.mark, **(environ or {})}
        self.log_path = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify = directory / "notify"
        notify.unlink(missing_ok=True)
        self._notify.bind(str(notify))
        self._notify.settimeout(PATIENCE)
        self.environ["NOTIFY_SOCKET"] = str(notify)
        self.told: list[str] = []

    @property
    def command(self) -> list[str]:
        places = ["--config", str(self.config), "--state", str(self.state), "--socket", str(self.socket)]
        return [*self.wrapper, sys.executable, "-m", "pvsched", "run", *places, *self.options]

    def launch(self, **options: Any) -> subprocess.Popen[bytes]:
        """Starts the process and waits for nothing."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environ,
                cwd=self.directory,
                **options,
            )
        return self.process

    def start(self, **options: Any) -> DaemonProcess:
        """Starts it and waits until it is ready."""
        self.launch(**options)
        self.wait_told("READY=1")
        return self

    def wait_told(self, word: str) -> str:
        """Waits until the daemon tells its service manager `word`; returns the whole message."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if select.select([self._notify], [], [], 0.05)[0]:
                message = self._notify.recv(4096).decode()
                self.told.append(message)
                if word in message:
                    return message
            elif (
                self.process is not None
                and self.process.poll() is not None
                and not select.select([self._notify], [], [], 0)[0]
            ):
                raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log}")
        raise AssertionError(f"never told {word}:\n{self.log}")

    def wait_for(self, what: Callable[[], T | None]) -> T:
        """Asks again and again until the answer is true; returns it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := what()):
            assert time.monotonic() < deadline, f"waited in vain:\n{self.log}"
        return found

    def wait_metric(self, sample: str) -> None:
        """Waits until `/metrics` has this very line."""
        self.wait_for(lambda: f"\n{sample}\n".encode() in self.ask("GET", "/metrics").body)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own."""
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The document of a GET that must succeed."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.document

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int:
        """Waits for the end of the process; returns its exit status."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """Asks it to stop and waits for that."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.ended()

    def family(self) -> list[int]:
        """Every living process that descends from this daemon, or did: they all carry its mark."""
        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _marked(entry, self.mark)]

    def wait_until_gone(self) -> None:
        """Waits until no process of the family lives."""
        deadline = time.monotonic() + PATIENCE
        while self.family():
            assert time.monotonic() < deadline, f"still there: {[_command(pid) for pid in self.family()]}"
            time.sleep(0.005)

    def close(self) -> None:
        """The end of a test: the daemon stops, if it still runs, and nothing of it is left."""
        try:
            if self.process is not None:
                if self.process.poll() is None:
                    self.signal(signal.SIGTERM)
                    try:
                        self.process.wait(PATIENCE)
                    except subprocess.TimeoutExpired:
                        self.process.kill()
                        self.process.wait()
                        raise AssertionError(f"the daemon did not stop:\n{self.log}") from None
                self.wait_until_gone()
        finally:
            self._notify.close()
            for pid in self.family():
                os.kill(pid, signal.SIGKILL)


def _marked(pid: str, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _command(pid: int) -> str:
    try:
        return f"{pid}: " + Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return f"{pid}: gone"
