"""Runs in the guest of `board/power-cuts`: says what the last cut left, then stores objects until the power goes.

    python3 power_cuts.py verify|put DEVICE REPORT --seed TEXT --marks OFFSET

The file system on DEVICE is mounted (its journal is replayed), the daemon started, `pvsched objects verify` run; what
it said goes to REPORT, as JSON. With `put`, clients store objects from then on. Each that was acknowledged is marked in
a sector of DEVICE behind the file system, by a direct write without a flush: so all that was written is in one log, the
host's, in its order.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import mmap
import os
import random
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

STATE = Path("/run/power-cuts")  # where the file system is mounted
SOCKET = Path("/run/power-cuts.socket")
MARK = 512
CLIENTS = 3
PATIENCE = 600.0  # seconds; an emulated core of a busy host is slow
LARGEST = 22  # 4 MiB, as a power of two
FORGET = "import os, pvsched.cli; os.fsync = lambda fd: None; raise SystemExit(pvsched.cli.main())"


class Marks:
    """Sectors behind the file system: the n-th acknowledged object of this life is named in the n-th of them."""

    def __init__(self, device: str, offset: int) -> None:
        self.fd = os.open(device, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
        self.offset = offset
        self.room = os.lseek(self.fd, 0, os.SEEK_END) - offset
        self.buffer = mmap.mmap(-1, MARK)  # a direct write wants aligned memory
        self.lock = threading.Lock()

    def add(self, sha: str, size: int) -> None:
        """Mark one object. Never flushes: a mark must not save what the daemon has not saved itself."""
        with self.lock:
            if not self.room:
                raise SystemExit("power-cuts: no room for another mark")
            self.buffer[:] = f"{sha} {size}\n".encode().ljust(MARK, b"\0")
            os.pwritev(self.fd, [self.buffer], self.offset)
            self.offset += MARK
            self.room -= MARK


class Client(http.client.HTTPConnection):
    """HTTP over the daemon's socket."""

    def __init__(self) -> None:
        super().__init__("localhost", timeout=PATIENCE)

    def connect(self) -> None:
        """Connect to the daemon instead of a network."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(SOCKET))

    def status(self, method: str, path: str, body: bytes | None = None) -> int:
        """Return how one request was answered."""
        self.request(method, path, body)
        answer = self.getresponse()
        answer.read()
        return answer.status


def main() -> int:
    """Take the arguments; return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["verify", "put"])
    parser.add_argument("device")
    parser.add_argument("report", type=Path)
    parser.add_argument("--seed", default="")
    parser.add_argument("--marks", type=int, required=True)
    parser.add_argument("--without-fsync", action="store_true")
    chosen = parser.parse_args()
    mount(chosen.device)
    daemon = start(chosen.without_fsync)
    report(chosen.report, daemon is not None)
    print("power-cuts: looked", flush=True)
    if daemon is None:
        return 1
    if chosen.what == "put":
        marks = Marks(chosen.device, chosen.marks)
        print("power-cuts: putting", flush=True)
        clients = [
            threading.Thread(target=put_until_the_power_goes, args=(f"{chosen.seed}.{number}", marks))
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return 1
    daemon.terminate()
    daemon.wait(PATIENCE)
    subprocess.run(["umount", str(STATE)], check=True, timeout=PATIENCE)
    return 0


def mount(device: str) -> None:
    """Mount the disk. The kernel replays the journal; a commit every second gives a cut more to fall between."""
    STATE.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "ext4", "-o", "noatime,commit=1", device, str(STATE)]
    subprocess.run(command, check=True, timeout=PATIENCE)


def start(without_fsync: bool) -> subprocess.Popen[bytes] | None:
    """Start the daemon and wait until it answers; None where it ends instead."""
    entry = ["-c", FORGET] if without_fsync else ["-m", "pvsched"]
    command = [
        sys.executable,
        *entry,
        "run",
        "--state",
        str(STATE / "pvsched"),
        "--socket",
        str(SOCKET),
        "--workers",
        "2",
    ]
    daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if daemon.poll() is not None:
            return None
        try:
            if Client().status("GET", "/healthz") == 200:
                return daemon
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit("power-cuts: the daemon does not answer")


def report(path: Path, started: bool) -> None:
    """Write as one file whether the daemon took the disk, what `objects verify` said, and its exit status."""
    whole: dict[str, object] = {"started": started}
    if started:
        whole |= verified()
    part = path.with_suffix(".part")
    part.write_text(json.dumps(whole))
    part.rename(path)


def verified() -> dict[str, object]:
    """Have all objects verified."""
    command = [sys.executable, "-m", "pvsched", "--json", "--socket", str(SOCKET), "objects", "verify"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    left = sorted(entry.name for entry in (STATE / "pvsched" / "objects").iterdir())
    return {"status": done.returncode, "objects": json.loads(done.stdout or "[]"), "files": left}


def put_until_the_power_goes(seed: str, marks: Marks) -> None:
    """Store objects for ever. A client that gives up ends it all: a guest that stores nothing loses nothing."""
    try:
        put_for_ever(seed, marks)
    except BaseException:
        traceback.print_exc()
        print("power-cuts: a client gave up", flush=True)
        os._exit(1)


def put_for_ever(seed: str, marks: Marks) -> None:
    """Store one new object after the other, of all sizes; now and then one whose bytes are not what its name says."""
    chance = random.Random(seed)
    client = Client()
    while True:
        body = chance.randbytes(min(1 << LARGEST, int(2 ** chance.uniform(0, LARGEST))))
        sha = hashlib.sha256(body).hexdigest()
        wrong = chance.random() < 1 / 16
        status = client.status("PUT", f"/objects/{sha}", body[:-1] + b"?" if wrong else body)
        if status == 200 and not wrong:
            marks.add(sha, len(body))
            print("power-cuts: acknowledged", flush=True)
        elif status == 507:
            time.sleep(0.1)  # the disk is full: the cut comes
        elif status != 422:
            raise SystemExit(f"power-cuts: a PUT was answered with {status}")


if __name__ == "__main__":
    sys.exit(main())
