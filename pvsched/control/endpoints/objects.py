"""`/objects`: the listing from memory; transfers by lending the client's socket to a worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pvsched.objects.model import BAD_NAME, GetResult, PutResult, VerifyResult, valid_name, wanted_range

if TYPE_CHECKING:
    from pvsched.control.caller import Caller
    from pvsched.control.http import Request
    from pvsched.control.reply import Lease, Reply
    from pvsched.control.routes import Router
    from pvsched.objects.controller import Objects
    from pvsched.objects.transfers import Get, Put


class ObjectEndpoints:
    """The handlers. Main loop only: they admit and submit, and never touch an object."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def add_to(self, router: Router) -> None:
        """Registers the routes. PUT before GET: who may not call hears the recorded refusal (see `routes`)."""
        router.add("GET", "/objects", self.listing)
        router.add("PUT", "/objects/{}", self.put, lends=True)
        router.add("GET", "/objects/{}", self.get, lends=True)
        router.add("POST", "/objects/{}/verify", self.verify)

    def listing(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """[{"sha256", "size"}], the size as a decimal string; before the store was scanned it waits for that."""
        if self._objects.ready:
            reply.send(200, self._objects.index.json())
        else:
            self._objects.start(lambda: self._scanned(reply))

    def _scanned(self, reply: Reply) -> None:
        if self._objects.ready:
            reply.send(200, self._objects.index.json())
        else:
            reply.error(500, "couldn't get device objects", code="store-io-error", hint="the store could not be read")

    def put(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """Stores the body under the name, if that is its hash. 200, 400, 408, 413, 422, 500, 503, 507."""
        sha = params[0]
        if not valid_name(sha):
            reply.error(400, BAD_NAME)
            return
        upload = Lent()
        lease = reply.lend(upload.leave)

        def done(result: PutResult) -> None:
            answer(lease, result)

        upload.transfer = self._objects.put(sha, lease.fd, request.body, request.expect_continue, done)

    def get(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """Sends an object, or the range asked for. 200, 206, 416; 400 if there is no such object, as recorded."""
        sha = params[0]
        if self._objects.missing(sha):
            reply.error(400, BAD_NAME)
            return
        download = Lent()
        lease = reply.lend(download.leave)
        ranged = wanted_range(request.headers.get("range"), request.headers.get("if-range"), sha)

        def done(result: GetResult) -> None:
            answer(lease, result)

        download.transfer = self._objects.get(sha, lease.fd, ranged, request.version, request.keep_alive, done)

    def verify(self, request: Request, reply: Reply, params: tuple[str, ...], caller: Caller) -> None:
        """Reads one object in a worker: {"sha256", "good"}. A rotten one goes into quarantine; 404 if there is none."""
        sha = params[0]
        if self._objects.missing(sha):
            reply.error(404, "No such object", code="no-object", hint="GET /objects lists them")
            return

        def done(result: VerifyResult) -> None:
            if result.failed:
                reason = result.failed[0][1]
                status = {"queue-full": 503, "closed": 503, "missing": 404}.get(reason, 500)
                reply.error(status, "Object could not be read", code="verify-failed", hint=reason)
            else:
                reply.send(200, json.dumps({"sha256": sha, "good": not result.rotten}).encode())

        check = self._objects.verify(sha, done)
        reply.on_left(check.cancel)


class Lent:
    """Ties a lent socket to its transfer: the client may leave at any time after the lending."""

    __slots__ = ("transfer",)

    def __init__(self) -> None:
        self.transfer: Put | Get | None = None

    def leave(self) -> None:
        """The client has gone."""
        if self.transfer is not None:
            self.transfer.cancel()


def answer(lease: Lease, result: PutResult | GetResult) -> None:
    """Gives the socket back, with the answer that is owed. Errors that Pantavisor has too keep its exact body."""
    headers = [("Retry-After", str(result.retry_after))] if result.retry_after is not None else []
    if result.status == 0:
        lease.done(reusable=result.reusable)
    elif result.error is None:
        lease.answer(result.status, reusable=result.reusable)
    else:
        lease.error(
            result.status,
            result.error,
            reusable=result.reusable,
            code=result.code,
            hint=result.hint,
            headers=headers,
        )
