"""Wheels, cross-built: our own for every target, and for 32-bit ARM those that PyPI does not have."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from board.tools import audit, cache, headers, source, sysroot, toolchain
from board.tools.libffi import libffi
from board.tools.progress import Failure, say
from board.tools.source import Release
from board.tools.target import GLIBC, Target
from board.tools.toolchain import Toolchain

CFFI = Release("cffi", "2.1.1", "dd31f52ea1086513bb9df30f8fcee9b8918323ae067a3d5b78bc826a000712be")
HTTPTOOLS = Release("httptools", "0.7.1", "abd72556974f8e7c74a259655924a717a2365b236c882c3f6f8a45fe94703ac9")
STABLE = "3.11"  # whose headers our own wheel is compiled with; Py_LIMITED_API keeps it to what 3.10 has


def build(target: Target, pythons: Sequence[str]) -> Iterator[Path]:
    """Build, check and give the wheels of a target; those that are kept from earlier are given at once."""
    chain = toolchain.toolchain()
    yield own(chain, target)
    if target.arch == "armv7l":
        for python in pythons:
            yield foreign(chain, target, python, CFFI)
            yield foreign(chain, target, python, HTTPTOOLS)


def own(chain: Toolchain, target: Target) -> Path:
    """Return our own wheel for a target."""
    with tempfile.TemporaryDirectory(prefix="pvsched-wheel-") as place:
        tree = Path(place)
        files = source.copy(source.own_files(), cache.ROOT, tree)
        return made(chain, target, STABLE, "pvsched", tree, cache.digest_files(files, tree))


def foreign(chain: Toolchain, target: Target, python: str, release: Release) -> Path:
    """Return the wheel of another project for a target and a version of Python."""
    tree = source.pypi_source(chain, release)
    return made(chain, target, python, release.name, tree, repr(release))


def made(chain: Toolchain, target: Target, python: str, name: str, tree: Path, contents: str) -> Path:
    """Return the wheel made from a tree of sources; what was made from the same sources with the same tools is kept."""
    include = sysroot.headers(target, python)
    ffi = libffi(chain, target) if name == "cffi" else None
    parts = [__file__, "crossbuild.py", "audit.py", "headers.py", "elf.py"]
    scripts = [Path(__file__).parent / Path(part).name for part in parts]
    key = toolchain.key(chain, *scripts, repr(target), python, contents, include.parts[-4], str(ffi and ffi.name))

    def make(folder: Path) -> None:
        say(f"building {name} for {target}" + ("" if name == "pvsched" else f", Python {python}"))
        copied = folder / "tree"
        shutil.copytree(tree, copied)
        answers = {"variables": variables(chain, target, include), "platform": target.platform}
        if name != "pvsched":
            answers["variables"] |= versioned(target, python)
        (folder / "answers.json").write_text(json.dumps(answers))
        script = Path(__file__).with_name("crossbuild.py")
        more = {"_PYTHON_HOST_PLATFORM": target.host, "PKG_CONFIG": str(ffi / "pkg-config") if ffi else "false"}
        command = [chain.python, str(script), str(folder / "answers.json"), str(folder)]
        toolchain.run_in(chain, command, copied, more)
        headers.check(copied, [copied, include, *chain.headers, *([ffi] if ffi else [])])
        audit.check(chain, wheel_in(folder), target)
        shutil.rmtree(copied)

    return wheel_in(cache.entry(f"wheel-{name}-{target.arch}-{target.libc}-{python}", key, make))


def variables(chain: Toolchain, target: Target, include: Path) -> dict[str, str]:
    """Return what `sysconfig` shall say of the compiler and of where Python's headers are."""
    compiler = " ".join(chain.compiler(target))
    return {
        "CC": compiler, "CXX": compiler, "CFLAGS": " ".join(toolchain.COMPILE), "OPT": "", "CCSHARED": "",
        "LDSHARED": " ".join([compiler, *toolchain.LINK]), "LDFLAGS": "", "AR": " ".join(chain.tool("ar")),
        "ARFLAGS": "rcs", "INCLUDEPY": str(include), "CONFINCLUDEPY": str(include),
    }  # fmt: skip


def versioned(target: Target, python: str) -> dict[str, str]:
    """Return what `sysconfig` shall say of a version of Python: how extensions and wheels for it are called."""
    digits = python.replace(".", "")
    name = f"cpython-{digits}-{target.triple.removesuffix(f'.{GLIBC}')}"
    return {"EXT_SUFFIX": f".{name}.so", "SOABI": name, "py_version_nodot": digits}


def wheel_in(folder: Path) -> Path:
    """Return the one wheel in a folder."""
    found = list(folder.glob("*.whl"))
    if len(found) != 1:
        raise Failure(f"one wheel expected in {folder}, found {len(found)}")
    return found[0]
