"""Whether a wheel is what its name says: the platform's oldest C library, the machine, Python's stable interface."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path

from board.tools import cache, elf, host
from board.tools.debian import Archive
from board.tools.elf import Elf
from board.tools.progress import Failure, say
from board.tools.target import Target
from board.tools.toolchain import Toolchain

GLIBC_LIBRARIES = {"libc.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libm.so.6", "libgcc_s.so.1"}
LOADERS = re.compile(r"ld-linux[-\w]*\.so\.\d")
MUSL_LIBRARY = "libc.so"  # by this name musl's loader knows itself, whatever its file is called
CONSISTENT = re.compile(r'consistent with the following platform tag: "(\w+)"')


def once(chain: Toolchain, wheel: Path, target: Target) -> None:
    """Check a wheel, unless these bytes have passed these checks before."""
    key = cache.digest(wheel, wheel.name, chain.folder.name, Path(__file__), Path(elf.__file__))

    def make(_: Path) -> None:
        say(f"checking {wheel.name}")
        check(chain, wheel, target)

    cache.entry("checked", key, make)


def check(chain: Toolchain, wheel: Path, target: Target) -> None:
    """Fail with the reason if a wheel is not fit for its target."""
    with tempfile.TemporaryDirectory(prefix="pvsched-audit-") as place:
        with zipfile.ZipFile(wheel) as file:
            extensions = [Path(file.extract(name, place)) for name in file.namelist() if name.endswith(".so")]
        if not extensions:
            raise Failure(f"{wheel.name} has no extension")
        for extension in extensions:
            problems = list(faults(elf.read(extension), target))
            if problems:
                raise Failure(f"{wheel.name}: {extension.name}: {'; '.join(problems)}")
    if target.libc == "glibc":
        check_glibc(chain, wheel, target)
    if "-abi3-" in wheel.name:
        command = [chain.python, "-m", "abi3audit", "--strict", "--verbose", str(wheel)]
        host.checked(command, 120, chain.environment())


def check_glibc(chain: Toolchain, wheel: Path, target: Target) -> None:
    """Fail unless auditwheel calls the wheel what it is called."""
    said = host.checked([chain.python, "-m", "auditwheel", "show", str(wheel)], 120, chain.environment())
    found = CONSISTENT.search(" ".join(said.split()))
    if found is None or found.group(1) not in wheel_platforms(target):
        raise Failure(f"{wheel.name} is for {target.platform}, auditwheel says: {said.strip()}")


def wheel_platforms(target: Target) -> set[str]:
    """Return the tags that auditwheel may find: the target's, or one of an even older glibc."""
    minor = int(target.platform.split("_")[2])
    return {f"manylinux_2_{older}_{target.arch}" for older in range(5, minor + 1)}


def faults(library: Elf, target: Target) -> list[str]:
    """Return what is wrong with an extension for a target."""
    found = []
    if (library.machine, library.bits) != (target.machine, target.bits):
        found.append(f"is for {library.machine}, {library.bits} bits, not {target.machine}, {target.bits}")
    if target.arch == "armv7l" and not library.hard_float:
        found.append("passes floating point numbers in the wrong registers")
    if library.search_path:
        found.append("has a search path of its own")
    if library.text_relocations:
        found.append("has relocations in its text: it was not compiled with -fPIC")
    return found + (musl_faults(library, target) if target.libc == "musl" else glibc_faults(library))


def glibc_faults(library: Elf) -> list[str]:
    """Return what an extension needs beyond the libraries that every glibc system has. auditwheel sees the versions."""
    strange = {name for name in library.needed - GLIBC_LIBRARIES if not LOADERS.fullmatch(name)}
    return [f"needs {' '.join(sorted(strange))}"] if strange else []


def musl_faults(library: Elf, target: Target) -> list[str]:
    """Return what an extension needs that neither musl's library nor Python gives."""
    found = []
    if library.needed - {MUSL_LIBRARY}:
        found.append(f"needs {' '.join(sorted(library.needed - {MUSL_LIBRARY}))}")
    if library.versions:
        found.append(f"asks for versions: {' '.join(sorted(library.versions))}")
    given = elf.read(musl(target)).defined
    unknown = {name for name in library.undefined - given if not name.startswith(("Py", "_Py"))}
    if unknown:
        found.append(f"musl does not have {' '.join(sorted(unknown))}")
    return found


def musl(target: Target) -> Path:
    """Return the path of musl's library and loader, in one file, as Debian has it for a target's architecture."""
    archive = Archive(target.debian)
    packages = archive.alone(["musl"])
    key = cache.digest(*(repr(package) for package in packages))
    folder = cache.entry(f"musl-{target.debian}", key, lambda folder: archive.unpack(packages, folder))
    return next(folder.glob("lib/*-linux-musl*/libc.so"))
