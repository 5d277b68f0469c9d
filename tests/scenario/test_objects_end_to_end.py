"""Objects through the whole house: a client's socket, the loop, a worker, the disk, and back."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.scenario.conftest import MakeDaemon
from tests.scenario.daemon_process import PATIENCE, DaemonProcess

SMALL = bytes(range(256)) * 4
BIG = os.urandom(1 << 20) * 8
CURL = shutil.which("curl")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed")


def sha_of(content: bytes) -> str:
    """The name of an object."""
    return hashlib.sha256(content).hexdigest()


def store_of(daemon: DaemonProcess) -> Path:
    """Where the daemon keeps objects."""
    return daemon.state / "objects"


def names(daemon: DaemonProcess) -> list[str]:
    """Everything in the store."""
    return sorted(os.listdir(store_of(daemon)))


def put(daemon: DaemonProcess, content: bytes) -> str:
    """Stores an object; returns its name."""
    assert daemon.ask("PUT", f"/objects/{sha_of(content)}", content).status == 200
    return sha_of(content)


def connect(daemon: DaemonProcess) -> socket.socket:
    """A connection of its own."""
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(PATIENCE)
    end.connect(str(daemon.socket))
    return end


def exchange(daemon: DaemonProcess, *parts: bytes, shut: bool = True) -> bytes:
    """Sends raw bytes, closes the sending side, and returns all that comes back until the end."""
    with connect(daemon) as end:
        for part in parts:
            end.sendall(part)
        if shut:
            end.shutdown(socket.SHUT_WR)
        found = b""
        while part := end.recv(1 << 16):
            found += part
        return found


def until(done: Callable[[], bool]) -> None:
    """Waits for what must come."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def head(method: str, sha: str, *lines: str, version: str = "1.1") -> bytes:
    """A request head."""
    return "\r\n".join([f"{method} /objects/{sha} HTTP/{version}", "Host: localhost", *lines, "", ""]).encode()


def test_an_object_goes_in_is_listed_and_comes_out(daemon: DaemonProcess) -> None:
    """PUT, list, GET, Range, If-Range."""
    sha = put(daemon, BIG)
    assert daemon.get("/objects") == [{"sha256": sha, "size": str(len(BIG))}]
    whole = daemon.ask("GET", f"/objects/{sha}")
    assert (whole.status, whole.body == BIG, whole.headers["content-type"]) == (200, True, "application/octet-stream")
    part = daemon.ask("GET", f"/objects/{sha}", Range="bytes=5000000-5000009", If_Range=whole.headers["ETag"])
    assert (part.status, part.body) == (206, BIG[5000000:5000010])
    assert daemon.ask("GET", f"/objects/{sha}", Range=f"bytes={len(BIG)}-").status == 416
    other = daemon.ask("GET", f"/objects/{sha}", Range="bytes=0-9", If_Range='"other"')
    assert (other.status, len(other.body)) == (200, len(BIG))
    assert names(daemon) == [sha]


def test_refusals_are_the_recorded_ones(daemon: DaemonProcess) -> None:
    """Wrong hash, bad names, what is not there, wrong methods: status and body of cases 112, 118, 134, 136, 138."""
    sha = put(daemon, SMALL)
    for method, name, status, text in (
        ("PUT", "0" * 64, 422, "Object has bad checksum"),
        ("PUT", "a" * 65, 400, "Request has bad object name"),
        ("PUT", sha.upper(), 400, "Request has bad object name"),
        ("GET", "1" * 64, 400, "Request has bad object name"),
        ("GET", "x" * 64, 400, "Request has bad object name"),
        ("POST", sha, 400, "Method not supported for this endpoint"),
        ("DELETE", sha, 400, "Method not supported for this endpoint"),
    ):
        answer = daemon.ask(method, f"/objects/{name}", b"x" if method != "GET" else None)
        assert (answer.status, answer.document) == (status, {"Error": text}), (method, name)
    refused = daemon.ask("HEAD", f"/objects/{sha}")
    assert (refused.status, refused.body) == (400, b"")
    assert names(daemon) == [sha]


def test_requests_behind_any_body_are_answered(daemon: DaemonProcess) -> None:
    """Pipelined behind a plain, a chunked, a wrong and an empty body: the socket comes back at the next request."""
    sha, empty = sha_of(SMALL), sha_of(b"")
    chunks = b"100\r\n" + SMALL[:256] + b"\r\n300;x=y\r\n" + SMALL[256:] + b"\r\n0\r\nTrailer: x\r\n\r\n"
    found = exchange(
        daemon,
        head("PUT", sha, f"Content-Length: {len(SMALL)}") + SMALL,
        head("PUT", sha, "Transfer-Encoding: chunked") + chunks,
        head("PUT", "0" * 64, "Content-Length: 3") + b"bar",
        head("PUT", empty, "Content-Length: 0"),
        head("GET", sha),
        head("GET", empty, "Connection: close"),
    )
    assert re.findall(rb"HTTP/1\.1 (\d+) ", found) == [b"200", b"200", b"422", b"200", b"200", b"200"]
    assert SMALL in found
    assert names(daemon) == sorted([sha, empty])


def test_a_client_that_half_closes_gets_its_answer(daemon: DaemonProcess) -> None:
    """As pvcurl does with `nc -N`, over HTTP/1.0; and the answer ends with the connection."""
    sha = sha_of(SMALL)
    length = f"Content-Length: {len(SMALL)}"
    stored = exchange(daemon, head("PUT", sha, length, version="1.0") + SMALL)
    assert stored.startswith(b"HTTP/1.0 200 OK\r\n")
    found = exchange(daemon, head("GET", sha, version="1.0"), shut=False)
    assert found.startswith(b"HTTP/1.0 200 OK\r\ncontent-type: application/octet-stream\r\n")
    assert found.endswith(b"\r\n\r\n" + SMALL)


def test_a_body_cut_short_gets_no_answer_and_leaves_nothing(daemon: DaemonProcess) -> None:
    """Half closed or gone in the middle (cases 128 and 132): a close, no file, no listing."""
    sha = sha_of(BIG)
    announced = head("PUT", sha, f"Content-Length: {len(BIG)}")
    assert exchange(daemon, announced, BIG[:100_000]) == b""
    with connect(daemon) as end:
        end.sendall(announced + BIG[:100_000])
        until(lambda: any(name.endswith(".tmp") for name in names(daemon)))
    until(lambda: names(daemon) == [])
    assert daemon.get("/objects") == []


def test_a_download_that_is_left_disturbs_nobody(daemon: DaemonProcess) -> None:
    """Case 144: the client closes at once, many times over; all workers are free afterwards."""
    sha = put(daemon, BIG)
    for _ in range(20):
        with connect(daemon) as end:
            end.sendall(head("GET", sha))
    assert daemon.ask("GET", f"/objects/{sha}").body == BIG
    until(lambda: daemon.get("/tasks")["running"] == [])
    outcomes = {task["outcome"] for task in daemon.get("/tasks")["ended"] if task["type"] == "object_get"}
    assert outcomes <= {"succeeded", "cancelled"}, "no worker died of it"


def resident(daemon: DaemonProcess) -> int:
    """Bytes in memory of the daemon and all that it has started, each page shared by several counted once."""
    total = 0
    for pid in daemon.family():
        with suppress(OSError):  # it has just left
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def test_many_writers_of_one_name_at_once(daemon: DaemonProcess) -> None:
    """C1: 64 clients with 8 MiB each hear 200; there is one object, memory is flat, small questions are answered."""
    put(daemon, SMALL)
    sha, heard = sha_of(BIG), list[int]()
    before = most = resident(daemon)

    def write() -> None:
        heard.append(daemon.ask("PUT", f"/objects/{sha}", BIG).status)

    writers = [threading.Thread(target=write) for _ in range(64)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert daemon.ask("GET", "/healthz").status == 200
        most = max(most, resident(daemon))
    for writer in writers:
        writer.join()
    assert heard == [200] * 64
    assert names(daemon) == sorted([sha, sha_of(SMALL)])
    assert most - before < 16 << 20, "of 512 MiB that went through"


def test_a_client_that_does_not_send_holds_one_transfer_and_nothing_else(daemon: DaemonProcess) -> None:
    """With two workers one is for transfers: the others wait for it, everything else goes on; it ends as it leaves."""
    with connect(daemon) as slow:
        slow.sendall(head("PUT", sha_of(BIG), f"Content-Length: {len(BIG)}"))
        until(lambda: any(name.endswith(".tmp") for name in names(daemon)))
        assert daemon.get("/objects") == []
        assert len(daemon.get("/tasks")["running"]) == 1
    put(daemon, SMALL)
    assert names(daemon) == [sha_of(SMALL)]


def test_a_client_that_stalls_is_told_so(make_daemon: MakeDaemon) -> None:
    """408 after objects.stall_timeout, and the connection closes."""
    daemon = make_daemon(config="[objects]\nstall_timeout = 1\n").start()
    found = exchange(daemon, head("PUT", sha_of(BIG), "Content-Length: 10") + b"x", shut=False)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert json.loads(found.partition(b"\r\n\r\n")[2])["code"] == "body-too-slow"
    assert names(daemon) == []


def test_a_worker_that_is_killed_costs_its_request_alone(daemon: DaemonProcess) -> None:
    """SIGKILL in the middle of a body: 500, nothing left, and the next upload works."""
    with connect(daemon) as end:
        end.sendall(head("PUT", sha_of(BIG), f"Content-Length: {len(BIG)}") + BIG[:1000])
        until(lambda: any(name.endswith(".tmp") for name in names(daemon)))
        [task] = daemon.get("/tasks")["running"]
        os.kill(task["worker"], signal.SIGKILL)
        assert end.recv(1 << 16).startswith(b"HTTP/1.1 500 ")
    assert names(daemon) == []
    put(daemon, BIG)


def test_a_killed_daemon_loses_nothing_that_it_acknowledged(make_daemon: MakeDaemon) -> None:
    """kill -9 with an upload under way; the next daemon has the stored object and no trace of the other."""
    daemon = make_daemon().start()
    sha = put(daemon, SMALL)
    with connect(daemon) as end:
        end.sendall(head("PUT", sha_of(BIG), f"Content-Length: {len(BIG)}") + BIG[:1000])
        until(lambda: any(name.endswith(".tmp") for name in names(daemon)))
        daemon.signal(signal.SIGKILL)
        daemon.ended()
    daemon.wait_until_gone()
    again = make_daemon().start()
    assert again.get("/objects") == [{"sha256": sha, "size": str(len(SMALL))}]
    assert names(again) == [sha]


def test_rot_is_found_on_request_and_at_start(make_daemon: MakeDaemon) -> None:
    """POST .../verify puts a rotten object out of sight, and so does the check at start; a PUT repairs it."""
    daemon = make_daemon().start()
    sha = put(daemon, SMALL)
    (store_of(daemon) / sha).write_bytes(SMALL[:-1] + b"x")
    assert daemon.ask("POST", f"/objects/{sha}/verify").document == {"sha256": sha, "good": False}
    assert daemon.get("/objects") == []
    assert daemon.ask("POST", f"/objects/{sha}/verify").status == 404
    put(daemon, SMALL)
    assert daemon.ask("POST", f"/objects/{sha}/verify").document == {"sha256": sha, "good": True}
    (store_of(daemon) / sha).write_bytes(SMALL[:-1])
    daemon.stop()
    daemon.wait_until_gone()
    again = make_daemon(config="[objects]\nverify_at_start = true\n").start()
    until(lambda: again.get("/objects") == [])
    put(again, SMALL)
    assert names(again) == [sha]


HOSTILE = (
    "../../secret", "..%2f..%2fsecret", "%2e%2e/secret", "%2e%2e%2f%2e%2e%2fsecret", "/etc/passwd", "..", ".", "",
    "a/../../secret", "%00", "0" * 63 + "%30", "0" * 64 + "/..", "0" * 64 + "?x", "0" * 64 + "%00", "\xef\xbc\x90" * 64,
    "0" * 64 + ".tmp", "0" * 64 + ".rotten", "A" * 64, "~root", "\\..\\secret",
)  # fmt: skip


def test_no_name_leads_out_of_the_store(daemon: DaemonProcess) -> None:
    """Row D4 through the whole daemon: 400 for each, in GET and PUT, and no file anywhere but the store's own."""
    secret = daemon.directory / "secret"
    secret.write_bytes(b"secret")
    before = sorted(path for path in daemon.directory.rglob("*"))
    for name in HOSTILE:
        for request in ("GET /objects/{} HTTP/1.1\r\n", "PUT /objects/{} HTTP/1.1\r\nContent-Length: 0\r\n"):
            raw = (request.format(name) + "Host: localhost\r\nConnection: close\r\n\r\n").encode("latin-1")
            found = exchange(daemon, raw, shut=False)
            assert found.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 200 OK\r\nContent-Type: application/json")), (
                name,
                found,
            )
            assert b"secret" not in found.partition(b"\r\n\r\n")[2].replace(name.encode("latin-1"), b""), name
    assert sorted(path for path in daemon.directory.rglob("*")) == before
    assert secret.read_bytes() == b"secret"


@pytest.mark.root
def test_a_full_disk_is_one_507(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """Announced or not, what does not fit is answered once, nothing is left, and what fits still goes in."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"lacks mount: {mounted.stderr.strip()}")
    try:
        daemon = make_daemon(config=f'[objects]\ndirectory = "{disk}"\n').start()
        sha = sha_of(BIG)
        announced = head("PUT", sha, f"Content-Length: {len(BIG)}", "Connection: close") + BIG
        chunks = head("PUT", sha, "Transfer-Encoding: chunked", "Connection: close")
        chunks += b"%x\r\n%s\r\n0\r\n\r\n" % (len(BIG), BIG)
        for request in (announced, chunks):
            found = exchange(daemon, request, shut=False)
            assert found.count(b"HTTP/1.1 ") == 1
            assert found.startswith(b"HTTP/1.1 507 Insufficient Storage\r\n")
            assert found.endswith(b'{"Error":"Not enough disk space available"}')
            assert os.listdir(disk) == []
        put(daemon, SMALL)
        assert daemon.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def curl(daemon: DaemonProcess, *options: str) -> str:
    """Runs the real curl; returns what it prints."""
    command = [str(CURL), "-sS", "--max-time", "30", "--unix-socket", str(daemon.socket), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_curl
def test_curl_uploads_and_downloads(daemon: DaemonProcess, tmp_path: Path) -> None:
    """As pvcontrol calls it, with Expect and `identity`; chunked from a pipe; a download that is resumed."""
    source, target, sha = tmp_path / "source", tmp_path / "target", sha_of(BIG)
    source.write_bytes(BIG)
    url, code = f"http://localhost/objects/{sha}", ("-w", "%{http_code}", "-o", "/dev/null")
    waits = ("-H", "Expect: 100-continue", "--expect100-timeout", "25")
    identity = ("-H", "Transfer-Encoding: identity", "-H", f"Content-Length: {len(BIG)}")
    for options in (("-T", str(source)), (*waits, "-T", str(source)), (*identity, "-T", str(source))):
        assert curl(daemon, *code, *options, url) == "200"
    chunked = ("-H", "Transfer-Encoding: chunked", "-T", str(source))
    assert curl(daemon, *code, *waits, *chunked, url) == "200"
    assert curl(daemon, *code, *waits, "-T", str(source), f"http://localhost/objects/{'0' * 64}") == "422"
    target.write_bytes(BIG[:3_000_000])
    curl(daemon, "-C", "-", "-o", str(target), url)
    assert target.read_bytes() == BIG
    assert names(daemon) == [sha]


@needs_curl
def test_curl_hears_a_refusal_before_it_sends(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """Where the client asks first and the object cannot fit, not a byte of it travels."""
    daemon = make_daemon(config="[objects]\nmax_size = 1000\n").start()
    source = tmp_path / "source"
    source.write_bytes(BIG)
    said = curl(
        daemon,
        *("-w", "%{http_code} %{size_upload}", "-o", "/dev/null"),
        *("-H", "Expect: 100-continue", "--expect100-timeout", "25", "-T", str(source)),
        f"http://localhost/objects/{sha_of(BIG)}",
    )
    assert said == "413 0"
