"""A body on its way into the loop, with the time it may take."""

from __future__ import annotations

import socket
from collections.abc import Callable

from pvsched.control.body import ChunkedBody, LengthBody
from pvsched.control.head import HttpError
from pvsched.control.http import Body
from pvsched.control.intake import Intake
from pvsched.control.limits import Limits
from pvsched.loop import Loop


class Receiver:
    """Reads one body whenever `read` is called: the reader of its connection. Main loop only.

    `finished` is called once: at the end of the body, or (then `complete` is False) after more bytes than
    `limits.drain`. Or else `failed`: with an error for what is no body or takes too long, with None where it is cut
    short. Neither is called after `stop()`.
    """

    __slots__ = ("_failed", "_finished", "_intake", "_limits", "_loop", "_progress", "_timer")

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        body: Body,
        keep: int,
        limits: Limits,
        finished: Callable[[], None],
        failed: Callable[[HttpError | None], None],
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._finished = finished
        self._failed = failed
        framed = ChunkedBody(limits.chunk_line) if body.length is None else LengthBody(body.length)
        self._intake = Intake(sock, framed, keep)
        self._progress = loop.time()
        self._timer = loop.call_later(limits.body_stall, self._late)

    @property
    def complete(self) -> bool:
        """True when the body was read to its last byte."""
        return self._intake.complete

    @property
    def over(self) -> bool:
        """True when there was more than was to be kept."""
        return self._intake.over

    def data(self) -> bytes:
        """What was kept."""
        return bytes(self._intake.data)

    def read(self) -> None:
        """Take one piece, if there is one."""
        if not self._timer.live:
            return
        try:
            more = self._intake.read()
        except (BlockingIOError, InterruptedError):
            return
        except HttpError as error:
            self._fail(error)
            return
        except OSError:
            more = False
        self._progress = self._loop.time()
        if not more:
            self._fail(None)
        elif self._intake.complete or self._intake.total > self._limits.drain:
            self._timer.cancel()
            self._finished()

    def stop(self) -> None:
        """Read no more, and be silent."""
        self._timer.cancel()

    def _fail(self, error: HttpError | None) -> None:
        self._timer.cancel()
        self._failed(error)

    def _late(self) -> None:
        """The timer is armed once for many pieces, and looks at its end how long ago the last one was."""
        stall = self._limits.body_stall
        due = self._progress + stall
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._late)
        else:
            hint = f"send a byte at least every {stall:g} seconds"
            self._fail(HttpError(408, "Request body took too long", "body-timeout", hint))
