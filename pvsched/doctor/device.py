"""The device around it: watchdog, clock, randomness, memory, and the Python that runs it all."""

from __future__ import annotations

import os
import time

from pvsched.doctor import calls
from pvsched.doctor.probe import (
    BETTER,
    BOOT,
    DEBIAN,
    FEATURE,
    HERE,
    IMAGE,
    KERNEL,
    NEEDED,
    NOTE,
    Lacks,
    Probe,
)
from pvsched.machine import memory

MIB = 1 << 20
LEAST_MEMORY, LEAST_AVAILABLE = 56 * MIB, 24 * MIB  # a board of 64 MB shows 56 or more
FILES = 448  # control.max_connections, the workers of scheduler.max_workers, and what the daemon itself holds open
TIME_ERROR = 5
NO_DAEMON = "the daemon does not start"
# Yocto's packages of what the daemon imports and python3-core has not. tests/board/test_layer_imports.py compares.
PACKAGES = {
    "_cffi_backend": "python3-cffi", "_json": "python3-json", "_queue": "python3-threading",
    "difflib": "python3-difflib", "fcntl": "python3-fcntl", "hashlib": "python3-crypt",
    "httptools": "python3-httptools", "json": "python3-json", "resource": "python3-resource", "socket": "python3-io",
    "tempfile": "python3-io", "termios": "python3-io", "tomllib": "python3-tomllib", "tty": "python3-terminal",
}  # fmt: skip


def not_installed(problem: ImportError) -> Lacks:
    """A module that could not be imported, and the package of an image that brings it."""
    package = PACKAGES.get((problem.name or "").partition(".")[0], "pvsched")  # pvsched brings them all
    line = f'IMAGE_INSTALL:append = " {package}"'
    return Lacks(str(problem), cost=NO_DAEMON, advice=((IMAGE, line),))


def python() -> str:
    """All that the daemon and its workers import."""
    try:
        import pvsched.config.merge
        import pvsched.daemon
        import pvsched.objects.tasks  # noqa: F401
    except ImportError as problem:
        raise not_installed(problem) from None
    return "every module is there"


def http_parser() -> str:
    try:
        from pvsched.control.http import parser_is_sound
    except ImportError as problem:
        raise not_installed(problem) from None
    if not parser_is_sound():
        raise Lacks("httptools refuses header values of more than 16 characters")
    return "httptools takes long lines"


def watchdog() -> str:
    """Only whether it is there: to open it would start it."""
    for name in ("/dev/watchdog0", "/dev/watchdog"):
        if os.path.exists(name):
            return name
    raise Lacks("no /dev/watchdog0")


def rtc() -> str:
    if not os.path.exists("/dev/rtc0") and not os.path.exists("/dev/rtc"):
        raise Lacks("no /dev/rtc0")
    return "/dev/rtc0"


def clock(now: float | None = None, built: float | None = None) -> str:
    """The time is not before that of the very files that run."""
    now = time.time() if now is None else now
    built = os.stat(__file__).st_mtime if built is None else built
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < built - 86400:
        raise Lacks(f"{shown} is before this software was built")
    return shown


def synchronised() -> str:
    address, held = calls.address(512)
    state = calls.libc("adjtimex", address)
    del held
    if state == TIME_ERROR:
        raise Lacks("nobody keeps the clock right")
    return "by the kernel's account"


def randomness() -> str:
    try:
        os.getrandom(16, os.GRND_NONBLOCK)
    except BlockingIOError:
        raise Lacks("the kernel has not gathered enough yet") from None
    return "ready"


def enough_memory(found: dict[str, int] | None = None) -> str:
    found = memory() if found is None else found
    whole, available = found.get("MemTotal", 0), found.get("MemAvailable", 0)
    shown = f"{available // MIB} MiB of {whole // MIB} MiB available"
    if whole < LEAST_MEMORY or available < LEAST_AVAILABLE:
        raise Lacks(shown)
    return shown


def files() -> str:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < FILES:
        raise Lacks(f"{hard} descriptors may be open")
    return "as many as wanted" if hard == resource.RLIM_INFINITY else f"{hard} descriptors may be open"


def inotify() -> str:
    os.close(calls.libc("inotify_init1", os.O_CLOEXEC))
    return "there"


PROBES = (
    Probe("python", NEEDED, python, NO_DAEMON, ((IMAGE, 'IMAGE_INSTALL:append = " pvsched"'),)),
    Probe(
        "http-parser", NEEDED, http_parser, "clients get 400 for good requests",
        ((IMAGE, 'CFLAGS:append:arm:pn-python3-httptools = " -U__ARM_NEON__"'),
         (DEBIAN, "CFLAGS=-U__ARM_NEON__ pip install --no-binary httptools --force-reinstall httptools")),
    ),
    Probe(
        "memory", BETTER, enough_memory, "the kernel may kill workers; their tasks end as failed",
        ((HERE, "scheduler.workers = 1, scheduler.spares = 0, smaller scheduler.capacity and events.buffer"),),
    ),
    Probe("open-files", BETTER, files, "fewer clients at once", ((HERE, f"LimitNOFILE={FILES} in the unit"),)),
    Probe(
        "watchdog", FEATURE, watchdog, "a device that hangs stays hung",
        ((KERNEL, "CONFIG_WATCHDOG=y, and the driver of your chip; CONFIG_SOFT_WATCHDOG=m without one"),
         (HERE, "systemd feeds it: RuntimeWatchdogSec=30 in /etc/systemd/system.conf")),
    ),
    Probe(
        "clock", BETTER, clock, "times in the log are wrong, and certificates of a hub seem not valid yet",
        ((IMAGE, 'IMAGE_INSTALL:append = " chrony"   # or systemd-timesyncd'),),
    ),
    Probe(
        "clock-kept", NOTE, synchronised, "times in the log drift apart between devices; nothing else",
        ((IMAGE, 'IMAGE_INSTALL:append = " chrony"   # or systemd-timesyncd'),),
    ),
    Probe("rtc", FEATURE, rtc, "after a power cut the time is unknown until the network tells",
          ((KERNEL, "CONFIG_RTC_CLASS=y, and the driver of your chip"),)),
    Probe(
        "randomness", BETTER, randomness, "whatever asks for random numbers waits, at every boot",
        ((KERNEL, "CONFIG_HW_RANDOM=y, and the driver of your chip"),
         (BOOT, "random.trust_cpu=on random.trust_bootloader=on")),
    ),
    Probe("inotify", NOTE, inotify, "nothing: it is not used", ((KERNEL, "CONFIG_INOTIFY_USER=y"),)),
)  # fmt: skip
