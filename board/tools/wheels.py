"""Wheels, cross-built: our own for every target, and for 32-bit ARM those that PyPI does not have."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
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
    """Return our own wheel for a target. The C core is compiled again only when it has changed."""
    with tempfile.TemporaryDirectory(prefix="pvsched-wheel-") as place:
        tree = Path(place)
        files = source.copy(source.own_files(), cache.ROOT, tree)
        core = [path for path in files if path.parent.name == "csrc" or path.name in ("setup.py", "pyproject.toml")]
        step = Step(chain, target, STABLE, "pvsched")
        compiled = step.compiled(tree, core)
        return step.wheel(tree, cache.digest_files(files, tree), compiled)


def foreign(chain: Toolchain, target: Target, python: str, release: Release) -> Path:
    """Return the wheel of another project for a target and a version of Python."""
    return Step(chain, target, python, release.name).wheel(source.pypi_source(chain, release), repr(release))


class Step:
    """The making of one wheel."""

    def __init__(self, chain: Toolchain, target: Target, python: str, name: str) -> None:
        self.chain, self.target, self.python, self.name = chain, target, python, name
        self.include = sysroot.headers(target, python)
        self.libffi = libffi(chain, target) if name == "cffi" else None
        self.kind = f"{name}-{target.arch}-{target.libc}-{python}"
        scripts = [Path(__file__).with_name(name) for name in ("wheels.py", "crossbuild.py", "headers.py")]
        inputs = [python, target.triple, target.cpu, target.platform, str(self.include), str(self.libffi)]
        self.key = toolchain.key(chain, *scripts, *inputs)

    def compiled(self, tree: Path, files: list[Path]) -> Path:
        """Return a `build` folder with the extension compiled from some files of a tree."""

        def make(folder: Path) -> None:
            say(f"compiling {self.name} for {self.target}")
            for file in files:
                place = folder / file.relative_to(tree)
                place.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, place)
                os.utime(place, (0, 0))
            (folder / "README.md").touch()
            self.crossbuild(folder)
            headers.check(folder, self.allowed(folder))

        return cache.entry(f"core-{self.kind}", cache.digest(self.key, cache.digest_files(files, tree)), make) / "build"

    def wheel(self, tree: Path, contents: str, compiled: Path | None = None) -> Path:
        """Return the wheel made from a tree of sources; one that was made from the same and is checked is kept."""

        def make(folder: Path) -> None:
            say(f"making the wheel of {self.name} for {self.target}, Python {self.python}")
            copied = folder / "tree"
            shutil.copytree(tree, copied)
            if compiled:
                shutil.copytree(compiled, copied / "build")
                for file in copied.glob("csrc/*"):
                    os.utime(file, (0, 0))  # older than what was compiled from it
            self.crossbuild(copied, folder)
            headers.check(copied, self.allowed(copied))
            shutil.rmtree(copied)

        wheel = wheel_in(cache.entry(f"wheel-{self.kind}", cache.digest(self.key, contents, str(compiled)), make))
        audit.once(self.chain, wheel, self.target)
        return wheel

    def crossbuild(self, tree: Path, out: Path | None = None) -> None:
        """Run the project's own build in a tree: to the wheel, or without `out` to the extension."""
        answers = {"variables": variables(self.chain, self.target, self.include), "platform": self.target.platform}
        if self.name != "pvsched":
            answers["variables"] |= versioned(self.target, self.python)
        file = tree / "answers.json"
        file.write_text(json.dumps(answers))
        script = Path(__file__).with_name("crossbuild.py")
        pkg_config = str(self.libffi / "pkg-config") if self.libffi else "false"
        more = {"_PYTHON_HOST_PLATFORM": self.target.host, "PKG_CONFIG": pkg_config}
        toolchain.run_in(
            self.chain, [self.chain.python, str(script), str(file), *([str(out)] if out else [])], tree, more
        )
        file.unlink()

    def allowed(self, tree: Path) -> list[Path]:
        """Return the folders whose headers may be read."""
        return [tree, self.include, *self.chain.headers, *([self.libffi] if self.libffi else [])]


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


def publish(made: Iterable[Path], platform: str) -> list[Path]:
    """Put the wheels of one platform into the folder of all, in place of those that were there; return them there."""
    folder = cache.home() / "wheels"
    folder.mkdir(exist_ok=True)
    names = []
    for wheel in made:
        part = folder / f".{wheel.name}.{os.getpid()}"
        shutil.copyfile(wheel, part)
        part.replace(folder / wheel.name)
        names.append(wheel.name)
    for old in folder.glob(f"*-{platform}.whl"):
        if old.name not in names:
            old.unlink(missing_ok=True)
    return [folder / name for name in sorted(names)]


def wheel_in(folder: Path) -> Path:
    """Return the one wheel in a folder."""
    found = list(folder.glob("*.whl"))
    if len(found) != 1:
        raise Failure(f"one wheel expected in {folder}, found {len(found)}")
    return found[0]
