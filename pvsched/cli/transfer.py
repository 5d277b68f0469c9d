"""Getting one object: into FILE.part, resumed with Range, checked, and only then renamed to FILE."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from pvsched.cli.client import BLOCK, Answer, Broken, Client, accepted
from pvsched.cli.failure import CommandError
from pvsched.cli.progress import Progress

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from hashlib import _Hash

    Report = Callable[
        [int, "int | None"], Progress
    ]  # (bytes that are there already, all bytes if known) -> its progress

ATTEMPTS = 4  # a broken connection is taken up again so many times, as long as each brought something


class Part:
    """FILE.part: what has come so far, and the hash of it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = open(path, "a+b")  # noqa: SIM115  (closed by close(); the part outlives a broken connection)
        self.hash: _Hash = hashlib.sha256()
        self.size = 0
        self.file.seek(0)
        while block := self.file.read(BLOCK):
            self.hash.update(block)
            self.size += len(block)

    def add(self, block: bytes) -> None:
        self.file.write(block)
        self.hash.update(block)
        self.size += len(block)

    def restart(self) -> None:
        self.file.truncate(0)
        self.hash, self.size = hashlib.sha256(), 0

    def close(self) -> None:
        self.file.close()

    def publish(self, path: str) -> None:
        """On disk first, then under its name."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.rename(self.path, path)


def ask(client: Client, sha: str, part: Part) -> Answer:
    """The answer whose body continues the part (or starts it anew, where the server knows no Range)."""
    headers = [("Range", f"bytes={part.size}-")] if part.size else []
    answer = client.ask("GET", f"/objects/{sha}", headers=headers)
    if answer.status == 416 or (answer.status == 206 and not continues(answer, part.size)):
        answer.read()
        part.restart()
        answer = client.ask("GET", f"/objects/{sha}")
    served(answer, sha)
    if answer.status == 200 and part.size:
        part.restart()
    return answer


def served(answer: Answer, sha: str) -> Answer:
    """The answer, if it has bytes. A well-formed name is refused for one reason alone: there is no such object."""
    if answer.status == 400:
        answer.read()
        raise CommandError(f"there is no object {sha}", code="no-object", hint="pvsched objects ls")
    return accepted(answer, 200, 206)


def continues(answer: Answer, offset: int) -> bool:
    return answer.headers.get("content-range", "").startswith(f"bytes {offset}-")


def pull(client: Client, sha: str, part: Part, report: Report) -> None:
    """The rest of the object, over as many connections as it takes."""
    attempts = ATTEMPTS
    while True:
        before = part.size
        progress = None
        try:
            answer = ask(client, sha, part)
            total = None if answer.length is None else part.size + answer.length
            progress = report(part.size, total)
            for block in answer.blocks():
                part.add(block)
                progress(len(block))
            return
        except Broken as problem:
            client.close()
            attempts = attempts - 1 if part.size == before else ATTEMPTS
            if attempts == 0 or (part.size == before == 0):
                problem.hint = "type the same command again: it goes on where this one stopped"
                raise
        finally:
            if progress is not None:
                progress.end()


def fetch(client: Client, sha: str, path: str, report: Report) -> int:
    """Gets object sha to path, whole and checked; a part of an earlier run counts. Returns its size in bytes."""
    part = Part(path + ".part")
    earlier = part.size
    try:
        if part.hash.hexdigest() != sha or part.size == 0:
            pull(client, sha, part, report)
        if part.hash.hexdigest() != sha:
            os.unlink(part.path)
            raise damaged(sha, part.hash.hexdigest(), earlier > 0)
        part.publish(path)
        return part.size
    except BaseException:
        part.close()
        if part.size == 0 and os.path.exists(part.path):
            os.unlink(part.path)
        raise


def check(client: Client, sha: str, sink: Callable[[bytes], object], report: Report) -> tuple[int, str]:
    """Reads object sha to its end and gives every block to sink. Returns (size, the hash of what came)."""
    answer = served(client.ask("GET", f"/objects/{sha}"), sha)
    found, count = hashlib.sha256(), 0
    progress = report(0, answer.length)
    try:
        for block in answer.blocks():
            sink(block)
            found.update(block)
            count += len(block)
            progress(len(block))
    finally:
        progress.end()
    return count, found.hexdigest()


def damaged(sha: str, found: str, resumed: bool = False) -> CommandError:
    """The bytes are not the object's. After `resumed` the likeliest is the part that was there before, and has gone."""
    why = "the part of an earlier run was" if resumed else "it is damaged where it is stored, or came"
    hint = f"put it again from a good copy: pvsched objects put FILE; then: pvsched objects verify {sha}"
    return CommandError(
        f"object {sha[:12]}... hashes to {found[:12]}...: {why} damaged",
        code="object-damaged",
        hint="type the same command again: it begins anew" if resumed else hint,
    )
