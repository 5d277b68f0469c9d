"""What a wheel is built for: an architecture and a C library, and every name that they go by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

GLIBC = "2.17"  # the oldest one that wheels for all three architectures are made for: manylinux2014
MUSL = "1.2"  # the first with 64-bit time on 32-bit machines, and what Zig brings


@dataclass(frozen=True, slots=True)
class Target:
    """One architecture with one C library."""

    arch: str  # as wheels and the kernel call it
    libc: str  # glibc or musl
    debian: str  # Debian's name of the architecture
    zig: str  # the architecture and the ABI in Zig's names
    cpu: str
    machine: str  # as readelf writes it
    bits: int

    @property
    def triple(self) -> str:
        """Return the target in Zig's words, the oldest glibc included."""
        architecture, abi = self.zig.split("-")
        return f"{architecture}-linux-musl{abi}" if self.libc == "musl" else f"{architecture}-linux-gnu{abi}.{GLIBC}"

    @property
    def flags(self) -> list[str]:
        """Return the compiler's flags that choose this target."""
        return ["-target", self.triple, *([f"-mcpu={self.cpu}"] if self.cpu else [])]

    @property
    def platform(self) -> str:
        """Return the platform tag of its wheels."""
        name, version = ("manylinux", GLIBC) if self.libc == "glibc" else ("musllinux", MUSL)
        return f"{name}_{version.replace('.', '_')}_{self.arch}"

    @property
    def host(self) -> str:
        """Return what Python's `sysconfig.get_platform()` gives there."""
        return f"linux-{self.arch}"

    @property
    def loader(self) -> str:
        """Return the path of musl's loader, which is its C library too."""
        return f"/lib/ld-musl-{'armhf' if self.arch == 'armv7l' else self.arch}.so.1"

    def __str__(self) -> str:
        return f"{self.arch} {self.libc}"


# No NEON and 16 registers alone: what Debian's armhf and every ARMv7 board with a floating point unit has.
MACHINES = {
    "x86_64": ("amd64", "x86_64-", "", "Advanced Micro Devices X86-64", 64),
    "aarch64": ("arm64", "aarch64-", "", "AArch64", 64),
    "armv7l": ("armhf", "arm-eabihf", "generic+v7a-d32", "ARM", 32),
}


def targets(arch: str, libc: str) -> Iterator[Target]:
    """Give the targets of an architecture or `all`, with a C library or `all`."""
    for name in MACHINES if arch == "all" else (arch,):
        for library in ("glibc", "musl") if libc == "all" else (libc,):
            yield Target(name, library, *MACHINES[name])
