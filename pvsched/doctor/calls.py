"""System calls that Python has no name for, through cffi's backend, which is there because the core needs it: `ctypes`
is a package of its own in images whose standard library is split.

Numbers from 424 on are the same on every architecture that matters here.
"""

from __future__ import annotations

import errno
import os
from typing import Any

PIDFD_SEND_SIGNAL, PIDFD_OPEN, CLONE3, CLOSE_RANGE, OPENAT2, EPOLL_PWAIT2 = 424, 434, 435, 436, 437, 441
PR_SET_CHILD_SUBREAPER = 36


def _backend() -> Any:
    import _cffi_backend

    return _cffi_backend


def _call(name: str, *arguments: int) -> int:
    """A function of the C library that takes longs and returns one. Addresses in the upper half of 32 bits are cast."""
    backend = _backend()
    long = backend.new_primitive_type("long")
    kind = backend.new_function_type((long,) * len(arguments), long, False)
    function = backend.load_library(None).load_function(kind, name)
    return int(function(*(backend.cast(long, argument) for argument in arguments)))


def last_error() -> OSError:
    """What the last call left in errno, as an exception."""
    number = _backend().get_errno()
    return OSError(number, os.strerror(number))


def syscall(number: int, *arguments: int) -> int:
    """The call's result. Raises OSError."""
    filled = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    result = _call("syscall", number, *filled)
    if result < 0:
        raise last_error()
    return result


def libc(name: str, *arguments: int) -> int:
    """A function of the C library. Raises OSError where it returns less than 0."""
    result = _call(name, *arguments)
    if result < 0:
        raise last_error()
    return result


def exists(number: int, *arguments: int) -> str:
    """Asks with arguments that the call refuses. Raises OSError where there is no such call, or it is not allowed."""
    try:
        syscall(number, *arguments)
    except OSError as problem:
        if problem.errno in (errno.ENOSYS, errno.EPERM):
            raise
    return "there"


def address(size: int) -> tuple[int, Any]:
    """(address of that many zero bytes, what keeps them alive)."""
    backend = _backend()
    char = backend.new_primitive_type("char")
    block = backend.newp(backend.new_array_type(backend.new_pointer_type(char), size))
    return int(backend.cast(backend.new_primitive_type("uintptr_t"), block)), block
