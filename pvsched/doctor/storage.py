"""Where the state lies: can it be written, does it last, is there room."""

from __future__ import annotations

import os
import time

from pvsched.doctor.modules import driver, file_system, loadable
from pvsched.doctor.mounts import Mount, mount_of
from pvsched.doctor.probe import BETTER, FEATURE, HERE, KERNEL, NEEDED, Lacks, Probe

MIB = 1 << 20
LITTLE = 64 * MIB
SHORT_LIVED = {"tmpfs", "ramfs", "rootfs"}
WITHOUT_OWNERS = {"vfat", "exfat", "msdos"}
CARELESS = {"nobarrier", "barrier=0", "eatmydata"}  # mount options under which fsync promises nothing


def existing(path: str) -> str:
    """The directory itself, or the nearest one above it that exists."""
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def in_the_way(path: str) -> str:
    """What on the way to a directory, or in its place, is none: a file, or a link to what is not there; else ""."""
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        if os.path.lexists(path):
            return path
        path = os.path.dirname(path)
    return ""


def written(state: str) -> str:
    """A file is written, brought to disk, renamed, and removed; a directory that is not there yet is not made."""
    barred = in_the_way(state)
    if barred:
        advice = ((HERE, "make what it leads to, or move it away; or choose another: --state DIR"),)
        raise Lacks(f"{barred} is no directory", advice=advice)
    where = existing(state)
    name = os.path.join(where, f".pvsched-doctor-{os.getpid()}")
    began = time.perf_counter()
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        if where == os.path.abspath(state):
            detail, hint = where, f"make {where} ours to write (its owner, its mode, no read-only mount)"
        else:  # never a directory above it: that may be /
            detail = f"{state} cannot be made in {where}"
            hint = f"as root, where {where} is not read-only: install -d -m 700 -o USER {state}"
        hint += ", or choose another: --state DIR"
        raise Lacks(f"{detail}: {problem.strerror}", advice=((HERE, hint),)) from None
    try:
        os.write(fd, b"x" * 4096)
        os.fsync(fd)
        os.rename(name, name + ".new")
        name += ".new"
        directory = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)
    finally:
        os.close(fd)
        os.unlink(name)
    took = 1e3 * (time.perf_counter() - began)
    tried = "" if where == os.path.abspath(state) else f" (tried in {where})"
    return f"{state}: 4 KiB on disk in {took:.1f} ms{tried}"


def lasting(state: str, mount: Mount | None = None) -> str:
    """The kind of file system, and how it is mounted."""
    mount = mount or mount_of(existing(state))
    if mount is None:
        raise Lacks("no mount is known for it")
    upper = upper_of(mount)
    if mount.kind in SHORT_LIVED or (upper and upper.kind in SHORT_LIVED):
        raise Lacks(f"{mount.kind} at {mount.point} is memory: objects are gone after a power cut")
    if mount.kind in WITHOUT_OWNERS:
        cost = "no owners, no modes: anybody on the device may read and change objects"
        raise Lacks(f"{mount.kind} at {mount.point}", cost=cost)
    careless = CARELESS & mount.options
    if careless:
        cost = "a power cut may lose what was acknowledged"
        advice = ((HERE, "mount it without that option"),)
        raise Lacks(f"{mount.kind} with {', '.join(careless)}", cost=cost, advice=advice)
    return f"{mount.kind} at {mount.point}"


def upper_of(mount: Mount) -> Mount | None:
    """Where an overlay keeps what is written to it, as far as that can be seen from here."""
    path = next((word[9:] for word in mount.options if word.startswith("upperdir=")), "")
    return mount_of(path) if os.path.isdir(path) else None


def room(state: str) -> str:
    found = os.statvfs(existing(state))
    free, whole = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    if found.f_files and found.f_favail < 64:
        raise Lacks(f"{found.f_favail} inodes are free")
    if free < max(LITTLE, whole // 20):
        raise Lacks(f"{free // MIB} MiB of {whole // MIB} MiB are free")
    return f"{free // MIB} MiB of {whole // MIB} MiB are free"


def file_system_there(name: str, module: str) -> str:
    if file_system(name):
        return "there"
    if loadable(module):
        return f"as a module: {module}"
    raise Lacks("the kernel has it not")


def loop() -> str:
    if os.path.exists("/dev/loop-control") and driver("loop"):
        return "/dev/loop-control"
    if loadable("loop"):
        return "as a module: loop"
    raise Lacks("no /dev/loop-control")


def verity() -> str:
    if os.path.isdir("/sys/module/dm_verity"):
        return "there"
    if loadable("dm-verity"):
        return "as a module: dm-verity"
    raise Lacks("the device mapper has no target verity" if driver("device-mapper") else "no device mapper")


def probes(state: str) -> tuple[Probe, ...]:
    """For a state directory that may not exist yet."""
    return (
        Probe("state-directory", NEEDED, lambda: written(state), "the daemon does not start"),
        Probe(
            "file-system", BETTER, lambda: lasting(state), "what is stored does not last",
            ((HERE, "put the state directory on ext4, f2fs, btrfs or ubifs: --state DIR, or daemon.state"),),
        ),
        Probe(
            "space", BETTER, lambda: room(state), "uploads are refused with 507",
            ((HERE, "remove what is not needed, or give the partition more room"),),
        ),
        Probe(
            "overlayfs", FEATURE, lambda: file_system_there("overlay", "overlay"),
            "containers cannot have a writable layer over a read-only image", ((KERNEL, "CONFIG_OVERLAY_FS=y"),),
        ),
        Probe(
            "squashfs", FEATURE, lambda: file_system_there("squashfs", "squashfs"),
            "images of containers cannot be mounted",
            tuple((KERNEL, f"CONFIG_{name}=y") for name in ("SQUASHFS", "SQUASHFS_XZ", "SQUASHFS_ZSTD")),
        ),
        Probe(
            "loop", FEATURE, loop, "a file cannot be mounted: no squashfs images", ((KERNEL, "CONFIG_BLK_DEV_LOOP=y"),),
        ),
        Probe(
            "dm-verity", FEATURE, verity, "images cannot be verified block by block as they are read",
            tuple((KERNEL, f"CONFIG_{name}=y") for name in ("MD", "BLK_DEV_DM", "DM_VERITY")),
        ),
    )  # fmt: skip
