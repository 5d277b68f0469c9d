"""One run of a guest: a real ARM kernel in QEMU, a command, its output and its exit status.

    guest = Guest(machine("armhf"), layers=[...])
    status = guest.run("python3 -c 'print(6 * 7)'")

The emulator is TCG alone: the host's processor is of another kind, and /dev/kvm is never asked for.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from board.tools import cache, host
from board.tools.kernel import GUEST, initrd, kernel
from board.tools.machine import Machine
from board.tools.progress import Failure, say

OVERRAN = 124  # the exit status of a run that its time limit ended, as timeout(1) has it
SILENT = 125  # of one whose guest went without saying how its command ended
PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Share:
    """A folder of the host in the guest."""

    folder: Path
    at: str
    writable: bool = False


@dataclass(slots=True)
class Guest:
    """What a guest is made of. `layers`: root file systems, the topmost first; `disks`: raw images, /dev/vda first."""

    machine: Machine
    layers: Sequence[Path]
    memory: int = 1024  # MB
    cores: int = 2
    limit: float = 600.0  # seconds
    shares: list[Share] = field(default_factory=list)
    disks: list[Path] = field(default_factory=list)
    append: str = ""  # more for the kernel's command line
    extra: list[str] = field(default_factory=list)  # more options of QEMU
    start: str = "start"  # the file of board/guest that process 1 begins with

    def run(self, command: str, *, interactive: bool = False, output: int | None = None) -> int:
        """Boot, run a shell command as root, power off; return the command's exit status.

        `output` is a descriptor for what the guest's console says, else our own stdout. Raises Failure where the
        guest does not come up or does not end in time.
        """
        with tempfile.TemporaryDirectory(prefix="pvsched-guest-") as name:
            job = Path(name)
            self.prepare(job, command, interactive)
            began = time.monotonic()
            status = self._emulate(self.command(job, interactive), interactive, output)
            return self._judge(job, status, time.monotonic() - began)

    def command(self, job: Path, interactive: bool = False) -> list[str]:
        """Return QEMU's command line for the job in a folder."""
        machine = self.machine
        emulator = host.find(machine.emulator)
        if emulator is None:
            host.need({machine.emulator: "qemu-system-arm"})
            emulator = str(host.find(machine.emulator))
        shares = [Share(job, "/run-job", writable=True), *self.shares]
        names = ",".join(f"share{n}:{share.at}:{'rw' if share.writable else 'ro'}" for n, share in enumerate(shares))
        append = f"console=ttyAMA0 quiet loglevel=3 panic=-1 pvs.layers={len(self.layers)} pvs.shares={names}"
        command = [
            emulator, *machine.options, "-smp", str(self.cores), "-m", str(self.memory), "-accel", "tcg,thread=multi",
            "-nographic", "-no-reboot", "-nodefaults", "-serial", "mon:stdio" if interactive else "stdio",
            "-semihosting-config", "enable=on,userspace=on,target=native", "-device", "virtio-rng-pci",
            "-kernel", str(kernel(machine) / "vmlinuz"), "-initrd", str(initrd(machine)),
            "-append", f"{append} {self.append}",
        ]  # fmt: skip
        for number, layer in enumerate(self.layers):
            command += nine(f"layer{number}", layer, writable=False)
        for number, share in enumerate(shares):
            command += nine(f"share{number}", share.folder, share.writable)
        for disk in self.disks:
            command += ["-drive", f"file={disk},format=raw,if=virtio"]
        return command + self.extra

    def prepare(self, job: Path, command: str, interactive: bool = False) -> None:
        """Put what the guest runs into a folder, its share /run-job."""
        shutil.copy(GUEST / self.start, job / "start")
        shutil.copy(GUEST / "session", job / "session")
        shutil.copy(power_off(self.machine), job / "power-off")
        (job / "command").write_text(command + "\n")
        (job / "date").write_text(str(int(time.time())))
        if interactive:
            (job / "interactive").touch()

    def _emulate(self, command: list[str], interactive: bool, output: int | None) -> int | None:
        """Run QEMU until it ends; None where the time limit ended it. It does not outlive us, however we go."""
        process = subprocess.Popen(
            command, stdin=None if interactive else subprocess.DEVNULL, stdout=output, preexec_fn=die_with_parent
        )
        try:
            return process.wait(None if interactive else self.limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _judge(self, job: Path, status: int | None, seconds: float) -> int:
        """Return the command's exit status; both ways in which it was told have to agree."""
        if status is None:
            raise Failure(f"the guest did not end within {self.limit:.0f} s", "a longer --limit", OVERRAN)
        told = job / "exit"
        if not told.exists():
            raise Failure(f"the guest went after {seconds:.0f} s without saying how its command ended", code=SILENT)
        said = int(told.read_text())
        if said != status:
            raise Failure(f"the guest's command ended with {said}, the emulator with {status}", code=SILENT)
        return said


def nine(tag: str, folder: Path, writable: bool) -> list[str]:
    """Return QEMU's options for a folder that the guest mounts over 9p by a tag."""
    mode = "" if writable else ",readonly=on"
    return [
        "-fsdev", f"local,id={tag},path={folder},security_model=none,multidevs=remap{mode}",
        "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}",
    ]  # fmt: skip


def die_with_parent() -> None:
    """Have the kernel kill the emulator when we go; runs in the child, between fork and exec."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def power_off(machine: Machine) -> Path:
    """Return the small program that ends the emulator with an exit status."""
    source = GUEST / "power-off.c"

    def make(folder: Path) -> None:
        say(f"compiling power-off for {machine.arch}")
        host.need({machine.compiler: f"gcc-{machine.triplet}"})
        mode = ["-marm"] if machine.arch == "armhf" else []
        flags = ["-Os", "-static", "-nostdlib", "-ffreestanding", "-Wall", "-Werror"]
        host.checked([machine.compiler, *mode, *flags, str(source), "-o", str(folder / "power-off")], 60)

    return cache.entry(f"power-off-{machine.arch}", cache.digest(source), make) / "power-off"


def stdout_is_console() -> bool:
    """Tell whether a person sits at the other end."""
    return os.isatty(sys.stdin.fileno()) and os.isatty(sys.stdout.fileno())
