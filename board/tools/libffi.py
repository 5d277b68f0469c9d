"""libffi for cffi, as a static library: the wheel carries it within its extension and needs no package of the system's.

Debian's own `libffi.a` wants a newer glibc than the wheels may; so it is compiled from Debian's source archive, the
few files that ARM needs, without its configure script (which takes a minute to find what stands in FACTS).
"""

from __future__ import annotations

from pathlib import Path

from board.tools import cache, headers, toolchain
from board.tools.progress import say
from board.tools.source import debian_source
from board.tools.target import Target
from board.tools.toolchain import Toolchain

VERSION = "3.4.4"
SOURCE = f"pool/main/libf/libffi/libffi_{VERSION}.orig.tar.gz"
SHA256 = "d66c56ad259a82cf2a9dfc408b32bf5da52371500b84745f7fb8b645712df676"
FILES = ("prep_cif.c", "types.c", "closures.c", "tramp.c", "arm/ffi.c", "arm/sysv.S")
FLAGS = ("-w", "-Wno-implicit-function-declaration", "-fexceptions")  # tramp.c of this version lacks a prototype
# What its configure script finds for ARM on Linux, with glibc 2.17 and with musl.
FACTS = """\
#define EH_FRAME_FLAGS "a"
#define FFI_EXEC_STATIC_TRAMP 1
#define HAVE_ALLOCA 1
#define HAVE_ALLOCA_H 1
#define HAVE_AS_CFI_PSEUDO_OP 1
#define HAVE_HIDDEN_VISIBILITY_ATTRIBUTE 1
#define HAVE_INTTYPES_H 1
#define HAVE_MEMCPY 1
#define HAVE_MKOSTEMP 1
#define HAVE_MKSTEMP 1
#define HAVE_MMAP 1
#define HAVE_MMAP_ANON 1
#define HAVE_MMAP_DEV_ZERO 1
#define HAVE_MMAP_FILE 1
#define HAVE_RO_EH_FRAME 1
#define HAVE_STDINT_H 1
#define SIZEOF_DOUBLE 8
#define SIZEOF_LONG_DOUBLE 8
#define SIZEOF_SIZE_T 4
#define STDC_HEADERS 1
#ifdef LIBFFI_ASM
#define FFI_HIDDEN(name) .hidden name
#else
#define FFI_HIDDEN __attribute__((visibility("hidden")))
#endif
"""
VALUES = {"VERSION": VERSION, "TARGET": "ARM", "HAVE_LONG_DOUBLE": "0", "FFI_EXEC_TRAMPOLINE_TABLE": "0"}
# cffi's build asks pkg-config where libffi is.
PKG_CONFIG = """\
#!/bin/sh
folder=$(dirname "$(readlink -f "$0")")
case $1 in
  --cflags-only-I) echo "-I$folder/include" ;;
  --libs-only-L) echo "-L$folder" ;;
  --libs-only-l) echo -lffi ;;
esac
"""


def libffi(chain: Toolchain, target: Target) -> Path:
    """Return a folder with libffi.a, its headers, and a `pkg-config` that names them. 32-bit ARM alone needs one."""

    def make(folder: Path) -> None:
        say(f"compiling libffi {VERSION} for {target}")
        debian_source(SOURCE, SHA256, folder)
        compiled(chain, target, folder, folder / f"libffi-{VERSION}")

    return cache.entry(f"libffi-{target.arch}-{target.libc}", toolchain.key(chain, Path(__file__), repr(target)), make)


def compiled(chain: Toolchain, target: Target, folder: Path, source: Path) -> None:
    """Compile libffi's sources into a folder."""
    include = folder / "include"
    include.mkdir()
    header = (source / "include" / "ffi.h.in").read_text()
    for name, value in VALUES.items():
        header = header.replace(f"@{name}@", value)
    (include / "ffi.h").write_text(header)
    (include / "ffitarget.h").write_text((source / "src" / "arm" / "ffitarget.h").read_text())
    (include / "fficonfig.h").write_text(FACTS)
    places = [f"-I{include}", f"-I{source / 'include'}", f"-I{source / 'src'}"]
    objects = []
    for name in FILES:
        objects.append(str(folder / f"{Path(name).stem}.o"))
        command = [*chain.compiler(target), *toolchain.COMPILE, *FLAGS, *places]
        toolchain.run(chain, [*command, "-c", str(source / "src" / name), "-o", objects[-1]])
    headers.check(folder, [folder, *chain.headers])
    toolchain.run(chain, [*chain.tool("ar"), "rcs", str(folder / "libffi.a"), *objects])
    (folder / "pkg-config").write_text(PKG_CONFIG)
    (folder / "pkg-config").chmod(0o755)
