"""What the machine must have: commands, and the Debian packages that bring them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping

from board.tools.progress import Failure, say

GRACE = 5.0  # seconds from SIGTERM to SIGKILL
ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def find(command: str) -> str | None:
    """Return where a command is, `sbin` included, or None."""
    return shutil.which(command, path=PATH)


def need(commands: Mapping[str, str]) -> None:
    """See to it that commands are there; `commands` maps each to its Debian package. Root installs; others are told."""
    packages = sorted({package for command, package in commands.items() if find(command) is None})
    if packages:
        install(packages)


def install(packages: list[str]) -> None:
    """Install Debian packages as root, or fail with the command that would."""
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or find("apt-get") is None:
        names = " ".join(packages)
        raise Failure(f"needs {names}", f"sudo apt-get install --no-install-recommends {names}")
    say(f"installing {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": PATH}
    for attempt in ("as the lists are", "with fresh lists"):
        if attempt == "with fresh lists":
            run(["apt-get", "-o", "DPkg::Lock::Timeout=300", "update"], 300, environment)
        done = run(command, 900, environment)
        if done.returncode == 0:
            return
    raise Failure(f"apt-get could not install {', '.join(packages)}: {last_line(done.stdout)}", " ".join(command))


def run(command: list[str], limit: float, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command with a time limit; its output, both streams, comes back in `stdout`.

    It has a session of its own, which ends as a whole when the limit is over, or when we end: no compiler goes on. A
    signal that ends us waits until we know what we have started.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env=env, start_new_session=True, preexec_fn=unblock,
        )  # fmt: skip
    except BaseException:
        unblock()
        raise
    with process:
        try:
            unblock()
            said, _ = process.communicate(timeout=limit)
        except BaseException as gone:
            end(process)
            if isinstance(gone, subprocess.TimeoutExpired):
                raise Failure(f"{command[0]} did not end within {limit:.0f} s") from gone
            raise
    return subprocess.CompletedProcess(command, process.returncode, said)


def end(process: subprocess.Popen[str]) -> None:
    """End a session: SIGTERM, so that apt may leave its things in order, then SIGKILL to all that is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def checked(command: list[str], limit: float, env: Mapping[str, str] | None = None) -> str:
    """Run a command that has to succeed; return its output."""
    done = run(command, limit, env)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)[:200]}: exit status {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
