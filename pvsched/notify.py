"""What systemd hands over and wants to hear: sd_notify(3), the watchdog, and sockets it has already opened.

`take()` must run before anything is forked: it removes the variables, so that no worker believes they are meant for it.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

LISTEN_FDS_START = 3


class ServiceManager:
    """The service manager's side of the process, or its absence. Main loop only; nothing here blocks or raises."""

    def __init__(
        self, address: str | None = None, watchdog_usec: int = 0, sockets: tuple[tuple[int, str], ...] = ()
    ) -> None:
        self.address = address
        self.watchdog_usec = watchdog_usec
        self.sockets = sockets
        self.failed = 0

    @classmethod
    def take(cls, environ: MutableMapping[str, str] | None = None) -> ServiceManager:
        """Reads and removes NOTIFY_SOCKET, WATCHDOG_* and LISTEN_*. What is meant for another pid is ignored."""
        environ = os.environ if environ is None else environ
        address = environ.pop("NOTIFY_SOCKET", None)
        watchdog = _number(environ.pop("WATCHDOG_USEC", ""))
        watchdog_pid = environ.pop("WATCHDOG_PID", "")
        if watchdog_pid and _number(watchdog_pid) != os.getpid():
            watchdog = 0
        return cls(address or None, watchdog, _listening(environ))

    @property
    def interval(self) -> float | None:
        """Seconds between two WATCHDOG=1, half of what the manager waits; None without a watchdog."""
        return self.watchdog_usec / 2e6 if self.watchdog_usec and self.address else None

    def ready(self, status: str) -> None:
        """Start-up is over."""
        self._send(f"READY=1\nSTATUS={_line(status)}\nMAINPID={os.getpid()}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={_line(text)}")

    def reloading(self) -> None:
        """A reload begins; `ready()` ends it. With Type=notify-reload the manager wants the time as well."""
        import time

        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """Shut-down has begun."""
        self._send(f"STOPPING=1\nSTATUS={_line(status)}")

    def extend(self, seconds: float) -> None:
        """Asks for more time to start or stop."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def alive(self) -> None:
        """The main loop has turned: feeds the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if self.address is None:
            return
        import socket

        # A leading @ stands for the NUL of the abstract namespace.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        # Opened for each message: a manager that was restarted has a new socket behind the old name.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                sock.sendto(text.encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, address)
            except OSError:
                self.failed += 1


def _listening(environ: MutableMapping[str, str]) -> tuple[tuple[int, str], ...]:
    """(descriptor, name) of each socket passed to this very process; they are made close-on-exec here."""
    pid = _number(environ.pop("LISTEN_PID", ""))
    count = _number(environ.pop("LISTEN_FDS", ""))
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    environ.pop("LISTEN_PIDFDID", None)
    if pid != os.getpid():
        return ()
    found = []
    for index in range(count):
        fd = LISTEN_FDS_START + index
        try:
            os.set_inheritable(fd, False)
        except OSError:
            continue
        found.append((fd, names[index] if index < len(names) else ""))
    return tuple(found)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _line(text: str) -> str:
    return text.replace("\n", " ")
