"""What this machine is: its model, its processor, and whether it is a real one. Reads /proc and /sys alone."""

from __future__ import annotations

import os

MODELS = ("/proc/device-tree/model", "/sys/class/dmi/id/product_name")
VENDOR = "/sys/class/dmi/id/sys_vendor"
COMPATIBLE = "/proc/device-tree/compatible"
CPUINFO = "/proc/cpuinfo"
# What makes a processor's line in /proc/cpuinfo, by architecture: x86 has a name, ARM numbers, RISC-V its own word.
CPU_NAMES = ("model name", "Hardware", "Processor", "uarch", "CPU part")
BOARD, EMULATED, VIRTUAL = "board", "emulated", "virtual"
VIRTUAL_MODELS = ("qemu", "kvm", "virtual machine", "virtualbox", "vmware", "bochs", "firecracker")


def text_of(path: str) -> str:
    """A small file of the kernel's, without the NUL and the line end at its end; "" if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536).replace("\0", " ").strip()
    except OSError:
        return ""


def model(root: str = "") -> str:
    """The board's own name: from the device tree, else from the firmware; "unknown" where neither tells."""
    tree, product = (text_of(root + path) for path in MODELS)
    vendor = text_of(root + VENDOR)
    if tree:
        return tree
    return " ".join(word for word in (vendor, product) if word) or "unknown"


def processor(root: str = "") -> str:
    """What /proc/cpuinfo calls the processor; an ARM without a name is told by implementer and part, in hexadecimal."""
    fields: dict[str, str] = {}
    for line in text_of(root + CPUINFO).splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip(), value.strip())
    if "CPU part" in fields and not fields.get("model name"):
        return f"ARM implementer {fields.get('CPU implementer', '?')} part {fields['CPU part']}"
    return next((fields[name] for name in CPU_NAMES if name in fields), "unknown")


def kind(root: str = "") -> tuple[str, str]:
    """(`board`, "") for hardware; (`emulated`, why) where the processor is QEMU's, (`virtual`, why) in another machine.

    A guest on QEMU's ARM board `virt` may run on the host's own processor (KVM): from within, nothing tells that apart,
    and it counts as emulated.
    """
    name, cpu = model(root), text_of(root + CPUINFO)
    if "linux,dummy-virt" in text_of(root + COMPATIBLE):
        return EMULATED, "the model is linux,dummy-virt, QEMU's board virt"
    if "TCG" in cpu or "QEMU Virtual CPU" in cpu:
        return EMULATED, "the processor is QEMU's TCG"
    for word in VIRTUAL_MODELS:
        if word in name.lower():
            return VIRTUAL, f"the model is {name}"
    flags = next((line for line in cpu.splitlines() if line.startswith("flags")), "")
    return (VIRTUAL, "the processor has the flag hypervisor") if " hypervisor" in flags else (BOARD, "")


def memory(root: str = "") -> dict[str, int]:
    """Bytes by name, from /proc/meminfo: MemTotal, MemAvailable, SwapTotal... Empty without /proc."""
    found = {}
    for line in text_of(root + "/proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if len(words) > 1 else 1)
    return found


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
