"""The two boards that QEMU stands for: what differs between 32-bit and 64-bit ARM."""

from __future__ import annotations

from dataclasses import dataclass

from board.tools.progress import Failure


@dataclass(frozen=True, slots=True)
class Machine:
    """One architecture: Debian's name, the emulator, its kernel's package, the cross compiler, and the wheels' name."""

    arch: str
    emulator: str
    options: tuple[str, ...]
    kernel: str
    triplet: str
    wheel: str

    @property
    def compiler(self) -> str:
        """Return Debian's cross compiler."""
        return f"{self.triplet}-gcc"


MACHINES = {
    "armhf": Machine(
        "armhf",
        "qemu-system-arm",
        ("-M", "virt,highmem=off", "-cpu", "cortex-a15"),
        "linux-image-armmp-lpae",
        "arm-linux-gnueabihf",
        "armv7l",
    ),
    "arm64": Machine(
        "arm64",
        "qemu-system-aarch64",
        ("-M", "virt", "-cpu", "cortex-a53"),
        "linux-image-arm64",
        "aarch64-linux-gnu",
        "aarch64",
    ),
}


def machine(arch: str) -> Machine:
    """Return one by its name."""
    if arch not in MACHINES:
        raise Failure(f"no such board: {arch}", f"one of {', '.join(MACHINES)}", 100)
    return MACHINES[arch]
