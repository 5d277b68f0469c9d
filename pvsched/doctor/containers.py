"""What starts containers, and what the kernel must have for them."""

from __future__ import annotations

import os

from pvsched.doctor import calls
from pvsched.doctor.cgroups import PURE
from pvsched.doctor.modules import program
from pvsched.doctor.mounts import mounts
from pvsched.doctor.probe import DEBIAN, FEATURE, HERE, IMAGE, KERNEL, CannotTell, Lacks, Probe

# What /proc/self/ns calls it -> the kernel's option.
NAMESPACES = {
    "mnt": "NAMESPACES", "pid": "PID_NS", "uts": "UTS_NS", "ipc": "IPC_NS", "net": "NET_NS", "cgroup": "CGROUPS",
}  # fmt: skip
LAYER = "layer meta-virtualization"
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x20000000, 0x4000000, 0x8000000


def namespaces() -> str:
    """A child takes namespaces of its own, as a container's first process does."""
    absent = [name for name in NAMESPACES if not os.path.exists(f"/proc/self/ns/{name}")]
    if absent:
        advice = tuple((KERNEL, f"CONFIG_{NAMESPACES[name]}=y") for name in absent)
        raise Lacks("the kernel lacks " + ", ".join(absent), advice=advice)
    if os.geteuid() != 0:
        raise CannotTell("the kernel has them; whether they may be made, root can tell")
    pid = os.fork()
    if pid == 0:
        try:
            calls.libc("unshare", CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)
        except OSError as problem:
            os._exit(min(problem.errno or 255, 255))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        why = os.strerror(status) if status > 0 else f"killed by signal {-status}"
        advice = ((HERE, "start it with CAP_SYS_ADMIN, and without RestrictNamespaces="),)
        raise Lacks(f"unshare: {why}", advice=advice)
    return ", ".join(NAMESPACES)


def lxc() -> str:
    return found("lxc-start")


def crun() -> str:
    path = found("crun")
    if any(mount.kind == "cgroup" for mount in mounts()):
        raise Lacks(f"{path} refuses to start beside cgroup v1", advice=PURE)
    return path


def found(name: str) -> str:
    path = program(name)
    if not path:
        raise Lacks(f"no {name} in PATH")
    return path


def _image(package: str, layer: str, debian: str = "") -> tuple[tuple[str, str], ...]:
    return (
        (IMAGE, f'IMAGE_INSTALL:append = " {package}"   # {layer}'),
        (DEBIAN, f"apt-get install {debian or package}"),
    )


PROBES = (
    Probe(
        "namespaces", FEATURE, namespaces, "no containers",
        tuple((KERNEL, f"CONFIG_{option}=y") for option in NAMESPACES.values()),
    ),
    Probe("lxc", FEATURE, lxc, "containers of LXC cannot be started", _image("lxc", LAYER)),
    Probe("crun", FEATURE, crun, "OCI bundles cannot be started with crun", _image("crun", LAYER)),
    Probe(  # the layer's package has this name in scarthgap, and goes by it still in later releases
        "runc", FEATURE, lambda: found("runc"), "OCI bundles cannot be started with runc",
        _image("runc-opencontainers", LAYER, "runc"),
    ),
)  # fmt: skip
