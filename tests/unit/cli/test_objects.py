"""`pvsched objects`: names, resumed gets, checks before the rename, puts of files and of standard input."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pvsched.cli import exits, main

CONTENT = os.urandom(200_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


def ranged(daemon: Any, content: bytes, *, cut: list[int] | None = None, ranges: bool = True) -> None:
    """Serves `content` with Range; each number in `cut` ends one answer after so many bytes."""

    def answer(client: socket.socket, head: bytes, rest: bytes) -> bool:
        start = 0
        for line in head.split(b"\r\n"):
            if ranges and line.startswith(b"Range: bytes="):
                start = int(line[13:].rstrip(b"-"))
        if start >= len(content) > 0:
            client.sendall(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n")
            return True
        body = content[start:]
        status = (
            f"206 Partial Content\r\nContent-Range: bytes {start}-{len(content) - 1}/{len(content)}"
            if start
            else "200 OK"
        )
        client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        short = cut.pop(0) if cut else None
        client.sendall(body[:short])
        return short is None

    daemon.answers["GET", f"/objects/{SHA}"] = answer


def test_ls_is_sorted_and_sums_up(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, and the sum at the end."""
    daemon.json("GET", "/objects", [{"sha256": "b" * 64, "size": "2048"}, {"sha256": "a" * 64, "size": "0"}])
    assert main(["objects", "ls"]) == exits.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("a" * 64)
    assert lines[-1] == "2 objects, 2.0 KiB"


def test_a_get_is_checked_and_published(daemon: Any, tmp_path: Path) -> None:
    """The whole object stands under its name, and no part is left."""
    ranged(daemon, CONTENT)
    assert main(["objects", "get", SHA, "-o", str(tmp_path / "out")]) == exits.OK
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert not (tmp_path / "out.part").exists()


def test_a_broken_get_goes_on_where_it_broke(daemon: Any, tmp_path: Path) -> None:
    """Two cut connections cost two more requests, each from the byte where the one before ended."""
    ranged(daemon, CONTENT, cut=[50_000, 70_000])
    assert main(["objects", "get", SHA, "-o", str(tmp_path / "out")]) == exits.OK
    assert (tmp_path / "out").read_bytes() == CONTENT
    asked = [line for head in daemon.requests for line in head.split(b"\r\n") if line.startswith(b"Range")]
    assert asked == [b"Range: bytes=50000-", b"Range: bytes=120000-"]


def test_a_part_of_an_earlier_run_is_used(daemon: Any, tmp_path: Path) -> None:
    """Only what is missing is asked for."""
    (tmp_path / "out.part").write_bytes(CONTENT[:150_000])
    ranged(daemon, CONTENT)
    assert main(["objects", "get", SHA, "-o", str(tmp_path / "out")]) == exits.OK
    assert b"Range: bytes=150000-" in daemon.requests[0]
    assert (tmp_path / "out").read_bytes() == CONTENT


@pytest.mark.parametrize("part", [CONTENT + b"more", b"other" + CONTENT[5:150_000]], ids=["too-long", "other-bytes"])
def test_a_part_that_is_wrong_is_not_believed(daemon: Any, tmp_path: Path, part: bytes) -> None:
    """One that is too long starts anew; one of other bytes fails the check and is removed."""
    (tmp_path / "out.part").write_bytes(part)
    ranged(daemon, CONTENT)
    status = main(["objects", "get", SHA, "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out.part").exists()
    assert (status, (tmp_path / "out").exists()) in ((exits.OK, True), (exits.FAILED, False))
    assert main(["objects", "get", SHA, "-o", str(tmp_path / "out")]) == exits.OK
    assert (tmp_path / "out").read_bytes() == CONTENT


def test_a_server_without_range_is_asked_for_the_whole(daemon: Any, tmp_path: Path) -> None:
    """A 200 to a Range request replaces the part."""
    (tmp_path / "out.part").write_bytes(CONTENT[:150_000])
    ranged(daemon, CONTENT, ranges=False)
    assert main(["objects", "get", SHA, "-o", str(tmp_path / "out")]) == exits.OK
    assert (tmp_path / "out").read_bytes() == CONTENT


def test_a_damaged_part_is_told_from_a_damaged_object(
    daemon: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The part is removed, and the same command then gets the whole object."""
    ranged(daemon, CONTENT)
    (tmp_path / "out.part").write_bytes(b"x" * 1000)
    assert main(["objects", "get", SHA, "-o", str(tmp_path / "out")]) == exits.FAILED
    captured = capsys.readouterr().err
    assert "the part of an earlier run was damaged" in captured
    assert "type the same command again" in captured
    assert main(["objects", "get", SHA, "-o", str(tmp_path / "out")]) == exits.OK


@pytest.mark.parametrize("output", ["out", "-"])
def test_an_object_that_is_not_there_is_told_so(
    daemon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    """A server's "bad object name" for a whole, well-formed name means that there is none."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    daemon.json("GET", f"/objects/{SHA}", {"Error": "Request has bad object name"}, "400 Bad Request")
    assert main(["objects", "get", SHA, "-o", output, "--json"]) == exits.FAILED
    error = json.loads(capsys.readouterr().err)
    assert (error["code"], error["hint"]) == ("no-object", "pvsched objects ls")
    assert os.listdir() == []


def test_damaged_bytes_never_get_the_name(daemon: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Content with another hash is a failure that leaves nothing behind."""
    ranged(daemon, b"not it")
    assert main(["objects", "get", SHA, "-o", str(tmp_path / "out")]) == exits.FAILED
    assert [path.name for path in tmp_path.iterdir() if path.name != "pv-ctrl"] == []
    assert "next: " in capsys.readouterr().err


def test_a_beginning_that_fits_one_object_is_enough(daemon: Any, tmp_path: Path) -> None:
    """A short name is looked up in the list."""
    daemon.json("GET", "/objects", [{"sha256": SHA, "size": "200000"}])
    ranged(daemon, CONTENT)
    assert main(["objects", "get", SHA[:8], "-o", str(tmp_path / "out")]) == exits.OK


def test_a_beginning_that_fits_two_is_refused(daemon: Any) -> None:
    """An ambiguous name is a failure, not a choice."""
    daemon.json("GET", "/objects", [{"sha256": "a" * 64, "size": "1"}, {"sha256": "a" * 63 + "b", "size": "1"}])
    assert main(["objects", "get", "aaaa"]) == exits.FAILED


@pytest.mark.parametrize("name", ["../../etc", "XYZ", "", "a" * 65])
def test_what_is_no_name_is_misuse(daemon: Any, name: str) -> None:
    """A name that no object can have is told before anything is asked."""
    assert main(["objects", "get", name]) == exits.MISUSE
    assert daemon.requests == []


def test_an_object_goes_to_a_pipe(daemon: Any, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """-o - writes the bytes, and nothing else, to standard output."""
    ranged(daemon, CONTENT)
    assert main(["objects", "get", SHA, "-o", "-"]) == exits.OK
    assert capfdbinary.readouterr().out == CONTENT


def test_a_put_names_the_file_by_its_hash(daemon: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PUT goes to the hash of the file, and the hash is printed."""
    daemon.answers["PUT", f"/objects/{SHA}"] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert main(["objects", "put", str(path), "--json"]) == exits.OK
    assert json.loads(capsys.readouterr().out) == [{"sha256": SHA, "size": len(CONTENT), "file": str(path)}]
    assert daemon.bodies == [CONTENT]


def test_what_was_put_before_a_failure_is_told(daemon: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error is one document, and what was stored is another."""
    daemon.answers["PUT", f"/objects/{SHA}"] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert main(["objects", "put", str(path), "/no/such/file", "--json"]) == exits.SYSTEM
    captured = capsys.readouterr()
    assert [item["sha256"] for item in json.loads(captured.out)] == [SHA]
    assert json.loads(captured.err)["code"] == "no-file"


def test_standard_input_can_be_put(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """- reads standard input to its end first: its hash is its name."""
    daemon.answers["PUT", f"/objects/{SHA}"] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(CONTENT)))
    assert main(["objects", "put", "-"]) == exits.OK
    assert daemon.bodies == [CONTENT]


def test_a_file_that_is_not_there_is_told(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The path is in the message, and the status says system."""
    assert main(["objects", "put", "/no/such/file"]) == exits.SYSTEM
    assert "/no/such/file" in capsys.readouterr().err


def test_verify_names_the_damaged_one(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon hashes; what it finds damaged is named, and the status is 1."""
    good = hashlib.sha256(b"good").hexdigest()
    daemon.json("GET", "/objects", [{"sha256": good, "size": "4"}, {"sha256": SHA, "size": "4"}])
    daemon.json("POST", f"/objects/{good}/verify", {"sha256": good, "good": True})
    daemon.json("POST", f"/objects/{SHA}/verify", {"sha256": SHA, "good": False})
    assert main(["objects", "verify", "--json"]) == exits.FAILED
    found = {item["sha256"]: item["good"] for item in json.loads(capsys.readouterr().out)}
    assert found == {good: True, SHA: False}


def test_verify_reads_the_bytes_where_the_server_cannot_hash(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A real Pantavisor knows no verify: the object is fetched and hashed here."""
    daemon.json("POST", f"/objects/{SHA}/verify", {"Error": "unknown endpoint"}, "400 Bad Request")
    ranged(daemon, CONTENT)
    assert main(["objects", "verify", SHA]) == exits.OK
    ranged(daemon, b"not it")
    assert main(["objects", "verify", SHA]) == exits.FAILED
    assert "DAMAGED" in capsys.readouterr().out
