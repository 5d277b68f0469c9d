"""What a task carries to where it runs: `reference NUL fd names NUL JSON`, or a program's block and its stdin."""

from __future__ import annotations

import os
import struct

from pvsched.errors import BadTask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MOST_FDS = 16
RESULT_FD = 3  # the keeper gives a program its result channel here, and what was lent from 4 on
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


def check_key(key: object) -> None:
    """Raise BadTask unless `key` may be a task's key."""
    if not isinstance(key, str) or not 1 <= len(key) <= 512:
        raise BadTask(f"key must be a str of 1 to 512 characters or None, not {key!r}")


def check_fds(fds: Any) -> dict[str, int]:
    """Return the descriptors to lend by name. Raises BadTask."""
    if not isinstance(fds, dict) or len(fds) > MOST_FDS:
        raise BadTask(f"fds must be a dict of at most {MOST_FDS} names to descriptors, not {fds!r}")
    for name, fd in fds.items():
        if not isinstance(name, str) or not 1 <= len(name) <= 64 or not _LETTERS.issuperset(name):
            raise BadTask(f"a lent descriptor's name is 1-64 characters of A-Z a-z 0-9 _ . -, not {name!r}")
        if not isinstance(fd, int) or isinstance(fd, bool) or fd < 0:
            raise BadTask(f"fds[{name!r}] must be an open descriptor, not {fd!r}")
    return fds


def with_names(reference: bytes, fds: Mapping[str, int], text: bytes) -> bytes:
    """Return the payload of a handler's task that has descriptors lent."""
    return b"\0".join((reference, ",".join(fds).encode(), text))


def exec_block(argv: Any, env: Any, cwd: Any, fds: Mapping[str, int]) -> bytes:
    """Return the block that the keeper reads: three counts, then strings that end in NUL. Raises BadTask."""
    words = _words(argv)
    pairs = _environment(env, fds)
    words[0] = _program(words[0], env)
    texts = [*words, *pairs]
    if cwd is not None:
        texts.append(_text(cwd, "cwd"))
    head = struct.pack("=3I", len(words), len(pairs), cwd is not None)
    return head + b"".join(text + b"\0" for text in texts)


def exec_bytes(payload: bytes) -> int:
    """Return how many bytes of a program's payload are the block; the rest is its stdin."""
    at = 12
    for _ in range(sum(struct.unpack_from("=3I", payload))):
        at = payload.index(b"\0", at) + 1
    return at


def _text(value: object, what: str) -> bytes:
    try:
        text = os.fsencode(value)  # type: ignore[arg-type]
    except TypeError:
        raise BadTask(f"{what} must be text, not {value!r}") from None
    if b"\0" in text:
        raise BadTask(f"{what} has a NUL: {value!r}")
    return text


def _words(argv: object) -> list[bytes]:
    if isinstance(argv, (str, bytes)) or not hasattr(argv, "__iter__"):
        raise BadTask(f"argv must be a list of words, not {argv!r}")
    words = [_text(word, "a word of argv") for word in argv]
    if not words or not words[0]:
        raise BadTask("argv must name a program first")
    return words


def _environment(env: object, fds: Mapping[str, int]) -> list[bytes]:
    if env is None:
        pairs = dict(os.environb)
    elif isinstance(env, dict):
        pairs = {_text(name, "a name in env"): _text(value, "a value in env") for name, value in env.items()}
    else:
        raise BadTask(f"env must be a dict or None, not {env!r}")
    for name in pairs:
        if not name or b"=" in name:
            raise BadTask(f"a name in env is empty or has '=': {name!r}")
    pairs[b"PVSCHED_RESULT_FD"] = b"%d" % RESULT_FD
    pairs.pop(b"PVSCHED_FDS", None)
    if fds:
        names = (f"{name}:{RESULT_FD + 1 + index}" for index, name in enumerate(fds))
        pairs[b"PVSCHED_FDS"] = ",".join(names).encode()
    return [name + b"=" + value for name, value in pairs.items()]


def _program(word: bytes, env: Any) -> bytes:
    """Find the program on PATH as execvp() does; what is not found stays, and execve() says ENOENT."""
    if b"/" in word:
        return word
    path = env.get("PATH", os.defpath) if env is not None else os.environ.get("PATH", os.defpath)
    for directory in os.fsencode(path).split(b":"):
        candidate = (directory or b".") + b"/" + word
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return word
