"""What this machine is: its model, its processor, and whether it is a real one. Reads /proc and /sys alone."""

from __future__ import annotations

import os

MODELS = ("/proc/device-tree/model", "/sys/class/dmi/id/product_name")
VENDOR = "/sys/class/dmi/id/sys_vendor"
COMPATIBLE = "/proc/device-tree/compatible"
CPUINFO = "/proc/cpuinfo"
# What makes a processor's line in /proc/cpuinfo, by architecture: x86 has a name, ARM numbers, RISC-V its own word.
CPU_NAMES = ("model name", "Hardware", "Processor", "uarch", "CPU part")
VIRTUAL_MODELS = ("linux,dummy-virt", "qemu", "kvm", "virtual machine", "virtualbox", "vmware", "bochs", "firecracker")


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


def emulation(root: str = "") -> str:
    """Why this is no hardware of its own ("hypervisor flag", "model linux,dummy-virt"...), or "" for a real board.

    A guest on QEMU's board `virt` may run on the host's own processor (KVM): from within, nothing tells that apart.
    """
    compatible = text_of(root + COMPATIBLE)
    if "linux,dummy-virt" in compatible:
        return "model linux,dummy-virt (QEMU's board virt)"
    name = model(root).lower()
    for word in VIRTUAL_MODELS:
        if word in name:
            return f"model {model(root)}"
    cpu = text_of(root + CPUINFO)
    if "TCG" in cpu or "QEMU Virtual CPU" in cpu:
        return "processor of QEMU's TCG"
    flags = next((line for line in cpu.splitlines() if line.startswith("flags")), "")
    return "hypervisor flag of the processor" if " hypervisor" in flags else ""


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
