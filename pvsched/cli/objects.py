"""`pvsched objects ls|get|put|verify`."""

from __future__ import annotations

import argparse
import os
import sys

from pvsched.cli import exits
from pvsched.cli.arguments import Parser, common, options, parser
from pvsched.cli.client import Client, accepted, client
from pvsched.cli.failure import CommandError, misuse, system
from pvsched.cli.output import print_json, say, size, table
from pvsched.cli.progress import Progress

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from typing import Any

HEX = frozenset("0123456789abcdef")
# Seconds without a byte from the daemon: it may hash a large object, or flush one to slow flash, before it answers.
TIMEOUTS = {"verify": 4 * 3600.0, "put": 600.0}


def build() -> Parser:
    made = parser("objects", "The objects that the device holds, named by their SHA-256.")
    verbs = made.add_subparsers(dest="verb", metavar="ls|get|put|verify", required=True)
    for name, text in (("ls", "list"), ("get", "fetch one"), ("put", "store files"), ("verify", "read and hash")):
        common(verbs.add_parser(name, help=text, description=text, allow_abbrev=False))
    get = verbs.choices["get"]
    get.add_argument("sha", help="its SHA-256, or enough of its beginning")
    get.add_argument("-o", "--output", metavar="FILE", help="where to (default: its SHA-256; - for standard output)")
    verbs.choices["put"].add_argument("files", metavar="FILE", nargs="+", help="- reads standard input")
    verbs.choices["verify"].add_argument("shas", metavar="SHA", nargs="*", help="default: all")
    for name in ("get", "put", "verify"):
        verbs.choices[name].add_argument("-q", "--quiet", action="store_true", help="no progress")
    return made


def main(arguments: list[str]) -> int:
    chosen = options(build(), arguments)
    with client(chosen.socket, TIMEOUTS.get(chosen.verb, 60.0)) as talk:
        return {"ls": ls, "get": get, "put": put, "verify": verify}[chosen.verb](talk, chosen)


def ls(talk: Client, chosen: argparse.Namespace) -> int:
    listing = sorted(talk.get("/objects"), key=lambda item: str(item["sha256"]))
    if chosen.json:
        print_json(listing)
        return exits.OK
    say(table(("SHA256", "SIZE"), [(item["sha256"], size(int(item["size"]))) for item in listing], "lr"))
    noun = "object" if len(listing) == 1 else "objects"
    say([f"{len(listing)} {noun}, {size(sum(int(item['size']) for item in listing))}"])
    return exits.OK


def reporter(label: str, chosen: argparse.Namespace) -> Any:
    quiet = chosen.quiet or chosen.json
    return lambda done, total: Progress(label, total, done=done, quiet=quiet)


def full_name(talk: Client, beginning: str) -> str:
    """The one object whose name begins so. A name of 64 characters is taken as it is."""
    if not beginning or not HEX.issuperset(beginning) or len(beginning) > 64:
        raise misuse(f"{beginning!r} is not the beginning of a SHA-256 (0-9a-f)", "pvsched objects ls")
    if len(beginning) == 64:
        return beginning
    found = [item["sha256"] for item in talk.get("/objects") if item["sha256"].startswith(beginning)]
    if len(found) == 1:
        return str(found[0])
    how = f"{len(found)} objects begin" if found else "no object begins"
    raise CommandError(f"{how} with {beginning}", code="ambiguous" if found else "no-object", hint="pvsched objects ls")


# -- get ----------------------------------------------------------------------------------------


def get(talk: Client, chosen: argparse.Namespace) -> int:
    from pvsched.cli.transfer import fetch

    sha = full_name(talk, chosen.sha)
    if chosen.output == "-":
        return to_stdout(talk, sha, chosen)
    path = chosen.output or sha
    if os.path.isdir(path):
        path = os.path.join(path, sha)
    count = fetch(talk, sha, path, reporter(sha[:12], chosen))
    if chosen.json:
        print_json({"sha256": sha, "size": count, "file": path})
    else:
        say([f"{sha}  {size(count)}  {path}"])
    return exits.OK


def to_stdout(talk: Client, sha: str, chosen: argparse.Namespace) -> int:
    from pvsched.cli.transfer import check, damaged

    out = sys.stdout.buffer
    if out.isatty():
        raise misuse("an object is not for a terminal", f"pvsched objects get {sha[:12]} -o FILE")
    _, found = check(talk, sha, out.write, reporter(sha[:12], chosen))
    out.flush()
    if found != sha:
        raise damaged(sha, found)
    return exits.OK


# -- put ----------------------------------------------------------------------------------------


def put(talk: Client, chosen: argparse.Namespace) -> int:
    stored: list[dict[str, Any]] = []
    try:
        for path in chosen.files:
            stored.append(put_one(talk, path, chosen))
            if not chosen.json:
                say([f"{stored[-1]['sha256']}  {size(stored[-1]['size'])}  {path}"])
    finally:
        if chosen.json and stored:  # what was stored before a failure is told, too
            print_json(stored)
    return exits.OK


def put_one(talk: Client, path: str, chosen: argparse.Namespace) -> dict[str, Any]:
    with seekable(path) as source:
        count = os.fstat(source.fileno()).st_size
        sha = hashed(source.fileno())
        progress = Progress(os.path.basename(path), count, quiet=chosen.quiet or chosen.json)
        try:
            answer = accepted(talk.put_file(f"/objects/{sha}", source.fileno(), count, progress))
        finally:
            progress.end()
        answer.read()
    return {"sha256": sha, "size": count, "file": path}


def seekable(path: str) -> Any:
    """The file to send. Standard input and pipes go through an unnamed file: an object's name is its hash."""
    if path != "-" and os.path.isfile(path):
        return open(path, "rb")
    if path != "-" and not os.path.exists(path):
        raise system(f"{path}: no such file", "ls -l " + (os.path.dirname(path) or "."), code="no-file")
    if os.path.isdir(path):
        raise misuse(f"{path} is a directory", f"name the files: pvsched objects put {path}/*")
    import shutil
    import tempfile

    kept = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    with sys.stdin.buffer if path == "-" else open(path, "rb") as source:
        shutil.copyfileobj(source, kept)
    kept.flush()
    kept.seek(0)
    return kept


def hashed(fd: int) -> str:
    """SHA-256 of the whole file; the offset is back at its start."""
    import hashlib

    found = hashlib.sha256()
    buffer = bytearray(1 << 18)
    os.lseek(fd, 0, os.SEEK_SET)
    while count := os.readv(fd, [buffer]):
        found.update(memoryview(buffer)[:count])
    os.lseek(fd, 0, os.SEEK_SET)
    return found.hexdigest()


# -- verify -------------------------------------------------------------------------------------


def verify(talk: Client, chosen: argparse.Namespace) -> int:
    """Has every object named (or all) read to its end and its hash compared with its name."""
    names = [full_name(talk, sha) for sha in chosen.shas] or [item["sha256"] for item in talk.get("/objects")]
    results = []
    for sha in sorted(set(names)):
        good = is_good(talk, sha, chosen)
        results.append({"sha256": sha, "good": good})
        if not chosen.json:
            say([f"{sha}  {'good' if good else 'DAMAGED'}"])
    if chosen.json:
        print_json(results)
    bad = [str(item["sha256"]) for item in results if not item["good"]]
    if bad:
        text = f"{len(bad)} of {len(results)} objects are damaged, and will not be served"
        hint = "put them again from good copies: pvsched objects put FILE"
        raise CommandError(text, code="object-damaged", hint=hint)
    return exits.OK


def is_good(talk: Client, sha: str, chosen: argparse.Namespace) -> bool:
    """The daemon hashes in a worker and sends nothing; a server that does not know how is asked for the bytes."""
    answer = talk.ask("POST", f"/objects/{sha}/verify")
    if answer.status not in (400, 501):
        return bool(accepted(answer).json()["good"])
    from pvsched.cli.transfer import check

    answer.read()
    return check(talk, sha, lambda block: None, reporter(sha[:12], chosen))[1] == sha
