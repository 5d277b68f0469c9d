"""What a machine says of itself, on files that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvsched import machine

PI = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nModel\t\t: Raspberry Pi 4 Model B\n"
X86 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu sha_ni hypervisor lm\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("proc/device-tree", "sys/class/dmi/id"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def put(root: Path, **files: str) -> str:
    places = {
        "model": "proc/device-tree/model", "compatible": "proc/device-tree/compatible", "cpuinfo": "proc/cpuinfo",
        "product": "sys/class/dmi/id/product_name", "vendor": "sys/class/dmi/id/sys_vendor",
        "meminfo": "proc/meminfo",
    }  # fmt: skip
    for name, text in files.items():
        (root / places[name]).write_text(text)
    return str(root)


def test_a_board_is_known_by_its_device_tree(root: Path) -> None:
    """The NUL at the end is not part of the name; an ARM processor is told by its numbers."""
    found = put(root, model="Raspberry Pi 4 Model B Rev 1.4\0", compatible="raspberrypi,4-model-b\0", cpuinfo=PI)
    assert machine.model(found) == "Raspberry Pi 4 Model B Rev 1.4"
    assert machine.processor(found) == "ARM implementer 0x41 part 0xd08"
    assert machine.kind(found) == ("board", "")


def test_qemus_board_is_emulated(root: Path) -> None:
    """Whatever processor it plays."""
    found = put(root, model="linux,dummy-virt\0", compatible="linux,dummy-virt\0", cpuinfo=PI)
    kind, why = machine.kind(found)
    assert (kind, "dummy-virt" in why) == ("emulated", True)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"product": "Standard PC (Q35)", "vendor": "QEMU", "cpuinfo": X86}, "virtual"),
        ({"product": "Standard PC", "vendor": "QEMU", "cpuinfo": X86.replace("AMD EPYC", "QEMU TCG CPU")}, "emulated"),
        ({"cpuinfo": X86}, "virtual"),
        ({"product": "ThinkPad", "vendor": "LENOVO", "cpuinfo": X86.replace(" hypervisor", "")}, "board"),
    ],
    ids=["kvm", "tcg", "flag", "real"],
)
def test_machines_in_machines(root: Path, files: dict[str, str], kind: str) -> None:
    """By the firmware's name, the processor's, or its flag."""
    assert machine.kind(put(root, **files))[0] == kind


def test_a_machine_that_says_nothing(root: Path) -> None:
    """No device tree, no firmware, no /proc."""
    assert (machine.model(str(root)), machine.processor(str(root))) == ("unknown", "unknown")
    assert (machine.kind(str(root)), machine.memory(str(root))) == (("board", ""), {})


def test_memory_is_in_bytes(root: Path) -> None:
    """/proc/meminfo counts in kB, but for its counts of pages."""
    found = machine.memory(put(root, meminfo="MemTotal:       61440 kB\nHugePages_Total:       3\n"))
    assert found == {"MemTotal": 61440 * 1024, "HugePages_Total": 3}
