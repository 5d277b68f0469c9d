"""What runs in a worker: store, send, verify, settle and scan objects. Each takes `(data, context)` and returns JSON.

The store is lent as the directory `context.fds["store"]`, the client's socket as `context.fds["client"]`. Names are
judged again here: a worker trusts no one's spelling.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from pvsched.objects.body import body_of
from pvsched.objects.chunked import BadChunk
from pvsched.objects.client import Cancelled, Client, ClientLeft
from pvsched.objects.digest import BUFFER, file_sha256
from pvsched.objects.model import is_stage, valid_name
from pvsched.objects.pace import Pace, TooSlow
from pvsched.objects.sending import send
from pvsched.objects.store import NotAnObject, Store
from pvsched.objects.upload import RESULTS, Refused, Upload

Json = dict[str, Any]
# How a transfer can end without an answer of its own, and the word for it.
ENDS: tuple[tuple[type[Exception], str], ...] = (
    (ClientLeft, "cut-short"),
    (TooSlow, "too-slow"),
    (BadChunk, "bad-chunk"),
    (Cancelled, "cancelled"),
)
STOPS = tuple(kind for kind, _ in ENDS)


class Context(Protocol):
    """What a task gets from the scheduler, as far as objects use it."""

    @property
    def fds(self) -> Mapping[str, int]: ...
    def cancelled(self) -> bool: ...
    def progress(self, fraction: float, message: str = "") -> None: ...


def client_of(data: Mapping[str, Any], context: Context) -> Client:
    """The lent socket, with the pace that the settings ask for."""
    return Client(context.fds["client"], Pace(data["stall_timeout"], data["min_rate"]), context.cancelled)


def word_for(error: Exception) -> str:
    """The word for a transfer that ended with one of STOPS."""
    return next(word for kind, word in ENDS if isinstance(error, kind))


def store_object(data: Json, context: Context) -> Json:
    """PUT. `result` is a word of `answers.PUT_ANSWERS`; `reusable`: the body was read to its end, and nothing more.

    Answers nothing itself but `100 Continue`: the main loop does.
    """
    if not valid_name(data["sha256"]) or not is_stage(data["stage"]):
        return {"result": "bad-name", "reusable": False}
    with client_of(data, context) as client:
        body = body_of(client, data["kind"], data["length"])
        upload = Upload(Store(context.fds["store"]), client, body, data, context.progress)
        answer = stored(upload)
        return {**answer, "reusable": body.finished, "quarantined": upload.quarantined}


def stored(upload: Upload) -> Json:
    """Runs an upload to its end, whatever that is; after an error of ours the rest of the body is drained."""
    try:
        try:
            result, size = upload.run()
            return {"result": result, "size": size}
        except Refused as refused:
            upload.drain()
            return {"result": refused.result}
        except OSError as error:
            upload.drain()
            return {"result": RESULTS.get(error.errno or 0, "io-error"), "detail": str(error)}
    except STOPS as stop:
        return {"result": word_for(stop)}


def send_object(data: Json, context: Context) -> Json:
    """GET. `result`: `sent`; `missing` and `unreadable` mean that nothing was sent; else the connection must close."""
    try:
        opened = Store(context.fds["store"]).open(data["sha256"]) if valid_name(data["sha256"]) else None
    except NotAnObject:
        opened = None
    except OSError as error:
        return {"result": "unreadable", "detail": str(error)}
    if opened is None:
        return {"result": "missing"}
    fd, size = opened
    try:
        with client_of(data, context) as client:
            count = send(client, fd, size, data, time.time())
        return {"result": "sent", "size": size, "sent": count, "reusable": data["keep_alive"]}
    except STOPS as stop:
        return {"result": word_for(stop), "size": size, "reusable": False}
    except (OSError, EOFError) as error:
        return {"result": "broken", "detail": str(error), "size": size, "reusable": False}
    finally:
        os.close(fd)


def verify_object(data: Json, context: Context) -> Json:
    """Reads an object to its end. `result`: `good`, `rotten` (and moved), `missing`, `unreadable`, `cancelled`."""
    sha = data["sha256"]
    store = Store(context.fds["store"])
    try:
        opened = store.open(sha) if valid_name(sha) else None
    except NotAnObject:
        return {"result": "rotten", "quarantined": store.quarantine(sha, None)}
    except OSError as error:
        return {"result": "unreadable", "detail": str(error)}
    if opened is None:
        return {"result": "missing"}
    fd, size = opened
    try:
        good = file_sha256(fd, memoryview(bytearray(BUFFER)), stop_if(context.cancelled)) == sha
        if good:
            return {"result": "good", "size": size}
        return {"result": "rotten", "quarantined": store.quarantine(sha, fd)}
    except Cancelled:
        return {"result": "cancelled"}
    except OSError as error:
        return {"result": "unreadable", "detail": str(error)}
    finally:
        os.close(fd)


def settle_object(data: Json, context: Context) -> Json:
    """After an upload that was killed: removes its stage, and says what stands under the name now (`size`, or None)."""
    store = Store(context.fds["store"])
    removed = is_stage(data["stage"]) and store.remove(data["stage"])
    size = store.size(data["sha256"]) if valid_name(data["sha256"]) else None
    # it may have been killed between its rename and this
    os.fsync(store.directory)
    return {"removed": removed, "size": size}


def scan_objects(data: Json, context: Context) -> Json:
    """At start: what is there, after what a crash left behind was removed; hashes nothing.

    `boot` marks the stages of uploads that run now: `Store.leftovers`.
    """
    store = Store(context.fds["store"])
    leftovers = store.leftovers(data["boot"])
    objects = dict(store.objects())
    # replaced, but its upload died before it could remove the old one
    leftovers += [name for name in store.quarantined() if name[:64] in objects]
    for name in leftovers:
        with suppress(OSError):
            store.remove(name)
    return {"objects": objects, "removed": len(leftovers), "rotten": [name[:64] for name in store.quarantined()]}


def stop_if(cancelled: Callable[[], bool]) -> Callable[[], None]:
    """A check that raises Cancelled once `cancelled` says so."""

    def check() -> None:
        if cancelled():
            raise Cancelled

    return check
