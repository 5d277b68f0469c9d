"""Handlers known by name: which function runs a task, and with which defaults."""

from __future__ import annotations

import sys

from pvsched.errors import BadTask, UnknownName
from pvsched.scheduler.task import OPTIONS

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from typing_extensions import Unpack

    from pvsched.scheduler.context import Context
    from pvsched.scheduler.task import TaskOptions

    Handler = Callable[[Any, Context], Any]
    F = TypeVar("F", bound=Callable[..., Any])

# Not regular expressions: `re` would weigh half a megabyte in every worker
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-")


def check_name(name: object) -> str:
    """Return the name if it is one: 1-128 of [A-Za-z0-9_.:-]. Raises BadTask."""
    if not isinstance(name, str) or not 1 <= len(name) <= 128 or not _LETTERS.issuperset(name):
        raise BadTask(f"a task's name is 1-128 characters of A-Z a-z 0-9 _ . : -, not {name!r}")
    return name


class Entry:
    """One registered name. `reference` is "module:qualname", or None where only the function itself is known."""

    __slots__ = ("defaults", "function", "name", "reference")

    def __init__(self, name: str, function: Handler | None, reference: str | None, defaults: dict[str, Any]) -> None:
        self.name = name
        self.function = function
        self.reference = reference
        self.defaults = defaults

    def importable(self) -> str | None:
        """Return "module:qualname" if a fresh process can find the handler by import, else None.

        Asked at first use, not at registration: a decorator runs before its function has a name in the module.
        """
        if self.function is None:
            return self.reference
        module = getattr(self.function, "__module__", None)
        qualname = getattr(self.function, "__qualname__", None)
        if not module or not qualname or module in ("__main__", "__mp_main__") or "<" in qualname:
            return None
        return f"{module}:{qualname}" if _reachable(module, qualname) else None

    def resolve(self) -> Handler:
        """Return the function, importing it if need be. Raises ImportError or AttributeError."""
        if self.function is None:
            self.function = find_handler(self.reference or "")
        return self.function


def _is_reference(text: str) -> bool:
    module, colon, qualname = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *qualname.split(".")))


def _reachable(module: str, qualname: str) -> bool:
    loaded: Any = sys.modules.get(module)
    if loaded is None or getattr(loaded, "__spec__", None) is None:
        return False
    for part in qualname.split("."):
        loaded = getattr(loaded, part, None)
    return callable(loaded)


def find_handler(reference: str) -> Handler:
    """Import "module:qualname" and return what it names. Raises ImportError, AttributeError, TypeError."""
    module, _, qualname = reference.partition(":")
    __import__(module)
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{reference} is not callable")
    handler: Handler = found
    return handler


class Registry:
    """Names and their handlers. One is global (`pvsched.task`, `pvsched.register`); a scheduler may have its own.

    `version` grows with every registration, so that a scheduler sees that what it has derived is out of date.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self.version = 0

    def task(self, name: str, *, handler: str | None = None, **defaults: Unpack[TaskOptions]) -> Callable[[F], F]:
        """Decorate a function `handler(data, context)` as the handler of `name`; it is returned unchanged.

        `handler`: "module:qualname" under which workers import it, where they could not guess it.
        """

        def decorate(function: F) -> F:
            self._add(name, function, handler, dict(defaults))
            return function

        return decorate

    def register(self, name: str, handler: str | Handler | None = None, **defaults: Unpack[TaskOptions]) -> None:
        """Register a handler ("module:qualname", imported by workers only, or a function), or a program (`argv=`)."""
        if isinstance(handler, str):
            self._add(name, None, handler, dict(defaults))
        else:
            self._add(name, handler, None, dict(defaults))

    def _add(self, name: str, function: Any, reference: str | None, defaults: dict[str, Any]) -> None:
        check_name(name)
        unknown = defaults.keys() - OPTIONS
        if unknown:
            raise TypeError(f"{name}: unexpected option {sorted(unknown)[0]!r}")
        if reference is not None and not _is_reference(reference):
            raise BadTask(f"{name}: a handler is named 'module:qualname', not {reference!r}")
        if function is not None and not callable(function):
            raise BadTask(f"{name}: the handler is not callable: {function!r}")
        if function is None and reference is None and not defaults.get("argv"):
            raise BadTask(f"{name}: neither a handler nor argv= was given")
        self._entries[name] = Entry(name, function if reference is None else None, reference, defaults)
        self.version += 1

    def find(self, name: str) -> Entry:
        """Return the entry of a name. Raises UnknownName."""
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownName(f"no handler is registered under {name!r}{_nearest(name, self._entries)}")
        return entry

    def get(self, name: str) -> Entry | None:
        """Return the entry of a name, or None."""
        return self._entries.get(name)

    def modules(self) -> list[str]:
        """Return the modules of all importable handlers, for a keeper to import ahead of need."""
        references = (entry.importable() for entry in self._entries.values())
        return sorted({reference.partition(":")[0] for reference in references if reference})


def _nearest(name: str, known: dict[str, Entry]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


default_registry = Registry()
task = default_registry.task
register = default_registry.register
