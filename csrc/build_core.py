"""Builds `pvsched._core`: the C core behind cffi in API mode, one abi3 extension for Python 3.10 and later.

The declarations are the marked part of `pvs.h` itself, so that the header stays the one source of truth.
"""

from __future__ import annotations

import os
import pathlib
import re

from cffi import FFI

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent

# The one function that knows Python; pvs.h must not name it.
GLUE = "const struct pvs_hooks *pvs_python_hooks(void);"


def declarations(header: str) -> str:
    """Return what cffi may read of the header's text: the part between the two marks, without PVS_CHECKED."""
    match = re.search(r"/\* cffi: begin \*/(.*?)/\* cffi: end \*/", header, re.DOTALL)
    if match is None:
        raise RuntimeError("csrc/pvs.h has lost its cffi marks")
    return match.group(1).replace("PVS_CHECKED ", "")


def sources() -> list[str]:
    """Return the C files, relative to the project's root as setuptools wants them."""
    return sorted(str(path.relative_to(ROOT)) for path in HERE.glob("*.c"))


def compile_args() -> list[str]:
    """Return the compiler's flags. They come after CFLAGS: a distribution that sets those chooses -O and -g itself."""
    plain = [] if os.environ.get("CFLAGS") else ["-O2", "-g0"]
    return ["-std=gnu11", *plain, "-fvisibility=hidden"]


def make_builder() -> FFI:
    """Return the FFI whose `set_source` describes the extension."""
    builder = FFI()
    builder.cdef(declarations((HERE / "pvs.h").read_text()))
    builder.cdef(GLUE)
    builder.set_source(
        "pvsched._core",
        f'#include "pvs.h"\n{GLUE}\n',
        sources=sources(),
        include_dirs=["csrc"],
        py_limited_api=True,
        # Explicit: the bare define that cffi makes hides PyOS_BeforeFork and its siblings.
        define_macros=[("Py_LIMITED_API", "0x030A0000"), ("_GNU_SOURCE", None)],
        extra_compile_args=compile_args(),
    )
    return builder


ffibuilder = make_builder()

if __name__ == "__main__":
    ffibuilder.compile(verbose=True, tmpdir=str(ROOT))
