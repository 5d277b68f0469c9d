"""Which handler a request goes to, and the recorded refusals where there is none.

Two classes, as in Pantavisor. A *fixed* path is matched decoded and without its query. A pattern with `{}` is matched
on the raw target, nothing decoded and nothing stripped; one `{}` is one segment of 1 to 255 bytes. Their refusals
differ in their words, and clients compare words. Entries that were added later are tried first, and where none takes
the request the last one tried decides: an unprivileged GET of an object gets 400 and not 403 (recordings 320, 326),
because the PUT of the same pattern was added before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pvsched.control.http import Request
from pvsched.control.reply import Reply

if TYPE_CHECKING:
    from pvsched.control.caller import Caller

Handler = Callable[[Request, Reply, tuple[str, ...], "Caller"], None]

SEGMENT_LIMIT = 255
WRONG_METHOD = "Method not supported for this endpoint"


class Refusal(Exception):
    """A request that no handler takes; the connection answers it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Route:
    """One method of one path. `body_limit`: bytes of a body collected into `request.data`; 0 means it is dropped."""

    __slots__ = ("body_limit", "handler", "lends", "method", "pattern", "privileged", "segments")

    def __init__(
        self, method: str, pattern: str, handler: Handler, *, body_limit: int, lends: bool, privileged: bool
    ) -> None:
        self.method = method
        self.pattern = pattern
        self.handler = handler
        self.body_limit = body_limit
        self.lends = lends
        self.privileged = privileged
        self.segments = pattern.split("/")

    def params(self, segments: list[str]) -> tuple[str, ...] | None:
        """What stands in the places of `{}`, or None where the segments are not of this pattern."""
        if len(segments) != len(self.segments):
            return None
        found = []
        for wanted, given in zip(self.segments, segments):
            if wanted == "{}":
                if not 0 < len(given) <= SEGMENT_LIMIT:
                    return None
                found.append(given)
            elif wanted != given:
                return None
        return tuple(found)


class _Class:
    """What a dispatch class says to those it refuses."""

    __slots__ = ("forbidden", "unknown_caller")

    def __init__(self, forbidden: str, unknown_caller: str) -> None:
        self.forbidden = forbidden
        self.unknown_caller = unknown_caller


_FIXED = _Class("Request not sent from a mgmt platform", "Internal Error")
_PARAM = _Class("Request not sent from mgmt platform", "Internal error, unknown caller")

Match = tuple[Route, tuple[str, ...]]


class Router:
    """The table of endpoints. Filled while the daemon starts, read-only afterwards."""

    def __init__(self) -> None:
        self._fixed: dict[str, list[Match]] = {}
        self._patterns: list[Route] = []

    def add(
        self,
        method: str,
        pattern: str,
        handler: Handler,
        *,
        body_limit: int = 0,
        lends: bool = False,
        privileged: bool = True,
    ) -> None:
        """Send `method` on `pattern` to `handler`.

        `lends`: the handler is called as soon as the head is there and may lend the socket; otherwise the whole body is
        read first, into `request.data` up to `body_limit` bytes (one byte more is 507, as recorded) or, with 0, away.
        """
        route = Route(method, pattern, handler, body_limit=body_limit, lends=lends, privileged=privileged)
        if "{}" in pattern:
            self._patterns.insert(0, route)
        else:
            self._fixed.setdefault(pattern, []).insert(0, (route, ()))

    def find(self, request: Request, caller: Caller | None) -> Match:
        """The route for `request` and its parameters. `caller` is None where nobody knows who calls.

        Raises Refusal, with the recorded words, where no route takes it.
        """
        fixed = self._fixed.get(request.path)
        if fixed is not None:
            return _choose(fixed, request.method, caller, _FIXED)
        segments = request.target.split("/")
        matches = [(route, params) for route in self._patterns if (params := route.params(segments)) is not None]
        if not matches:
            raise Refusal(400, f"unknown endpoint: {request.target}")
        return _choose(matches, request.method, caller, _PARAM)


def _choose(matches: list[Match], method: str, caller: Caller | None, words: _Class) -> Match:
    if caller is None:
        raise Refusal(500, words.unknown_caller)
    status, text = 400, WRONG_METHOD
    for match in matches:
        route = match[0]
        if route.method != method:
            status, text = 400, WRONG_METHOD
        elif route.privileged and not caller.privileged:
            status, text = 403, words.forbidden
        else:
            return match
    raise Refusal(status, text)
