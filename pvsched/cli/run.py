"""`pvsched run`: the daemon, in this process.

The order matters. The keeper is forked first, while this process is small: every worker is a copy of it. Then a child
reads the configuration while this process imports the rest. argparse stays out: it would weigh 1.6 MB for ever.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found, unused-ignore]  # `signal` brings enum: half a megabyte
from typing import TYPE_CHECKING

from pvsched.cli import exits

if TYPE_CHECKING:
    from pvsched.cli.failure import CommandError
    from pvsched.daemon import Daemon
    from pvsched.errors import PvschedError

LOCKED = 101  # another daemon works on the state directory, or answers on the socket
TOO_NEW = 102  # the state directory was written by a newer version

USAGE = f"""\
usage: pvsched run [--config FILE] [--state DIR] [--socket PATH] [--workers N]

Runs the daemon until SIGTERM or SIGINT (a second one ends it at once); SIGHUP reloads the configuration.

  --config FILE   configuration; default: /etc/pvsched/pvsched.toml for root, else
                  $XDG_CONFIG_HOME/pvsched/pvsched.toml, if it is there
  --state DIR     state directory
  --socket PATH   control socket
  --workers N     tasks that run at once

Exit: 0 stopped as asked, {exits.MISUSE} wrong option or configuration, {LOCKED} another daemon has the state directory
or the socket, {TOO_NEW} the state directory is of a newer version, {exits.SYSTEM} the system refused something."""

SHARED = ("json", "socket", "pvsched.scheduler.worker", "pvsched.objects.model")
OPTIONS = {"--config": "", "--state": "daemon.state", "--socket": "control.socket", "--workers": "scheduler.workers"}
STATUSES = {"state-locked": LOCKED, "socket-in-use": LOCKED, "state-too-new": TOO_NEW, "config-invalid": exits.MISUSE}


def main(arguments: list[str]) -> int:
    """Runs the daemon and returns its exit status."""
    if "-h" in arguments or "--help" in arguments:
        print(USAGE)
        return exits.OK
    path, settings = parsed(arguments)
    return run(path, settings)


def parsed(arguments: list[str]) -> tuple[str | None, dict[str, str]]:
    """(configuration file, settings by full name). Raises CommandError."""
    from os.path import abspath

    path = None
    settings: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name == "--json":
            continue  # how to say what failed; the command's frame looks at it
        if name not in OPTIONS:
            raise _misuse(f"there is no option {name!r}")
        if not equals:
            if not rest:
                raise _misuse(f"{name} needs a value")
            value = rest.pop(0)
        if name == "--config":
            path = abspath(value)
        else:
            settings[OPTIONS[name]] = value if name == "--workers" else abspath(value)
    return path, settings


def run(path: str | None, arguments: dict[str, str]) -> int:
    """The daemon's life, from first to last. Raises CommandError if it cannot start."""
    import gc

    # SIGHUP before the daemon can hear it would end it; so it waits. Whoever is forked holds none back.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    open_standard_streams()
    gc.disable()  # start-up makes what stays: nothing to collect, and much to look through
    from pvsched.errors import PvschedError

    try:
        daemon = started(path, arguments)
    except PvschedError as problem:
        raise _failure(problem) from None
    gc.freeze()
    gc.enable()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    daemon.run()
    return exits.OK


def started(path: str | None, arguments: dict[str, str]) -> Daemon:
    """A daemon that listens. Raises PvschedError; then the keeper has gone, too."""
    from pvsched.notify import ServiceManager

    service = ServiceManager.take()
    from pvsched.scheduler.keeper import fork_keeper

    # What the workers and this process both need is imported once, before the fork, and its memory is shared.
    for module in SHARED:
        __import__(module)
    keeper = fork_keeper(modules=["pvsched.objects.tasks"])
    try:
        from pvsched.config.load import load_apart

        pending = load_apart(path, arguments)
        from pvsched.daemon import Daemon

        daemon = Daemon(pending.result(), keeper, service, path=path, arguments=arguments)
        daemon.open()
        return daemon
    except BaseException:
        keeper.close()
        raise


def open_standard_streams() -> None:
    """Whoever started us may have closed some of 0, 1, 2; without this a socket would get such a number, and log
    lines.
    """
    import os
    import sys

    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    # Python has none where there was no descriptor, and whoever prints or flushes would stumble.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _misuse(text: str) -> CommandError:
    from pvsched.cli.failure import misuse

    return misuse(text, "pvsched run --help")


def _failure(problem: PvschedError) -> CommandError:
    """What could not be started, with the exit status that a service manager can act on."""
    from pvsched.cli.failure import CommandError

    status = STATUSES.get(problem.code, exits.SYSTEM)
    return CommandError(str(problem), code=problem.code, hint=problem.hint, status=status)
