"""All layers of the configuration into one: defaults, then the file, then the environment, then the arguments.

`load` is what the commands call in their own process. The daemon calls `load_apart`, so that the TOML parser (2.7 MB)
and the tables of keys never enter the process that stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pvsched.config.settings import Settings

# Short names beside the long ones (`PVSCHED_SCHEDULER_WORKERS`), and what else of ours may stand in the environment.
SHORT = {"PVSCHED_WORKERS": "scheduler.workers", "PVSCHED_STATE": "daemon.state", "PVSCHED_SOCKET": "control.socket"}
NOT_SETTINGS = frozenset(("PVSCHED_CONFIG", "PVSCHED_RESULT_FD", "PVSCHED_TRACEBACK"))


def load(
    path: str | None = None,
    environ: Mapping[str, str] | None = None,
    arguments: Mapping[str, str] | None = None,
    uid: int | None = None,
) -> Settings:
    """The settings in force. `path` None: the default file, if there is one. `arguments`: full name -> text.

    Raises ConfigError with every finding. Reads files: not for the main loop.
    """
    from pvsched.config.merge import merged

    environ = os.environ if environ is None else environ
    return merged(
        path or environ.get("PVSCHED_CONFIG") or None, environ, arguments or {}, os.geteuid() if uid is None else uid
    )


class PendingLoad:
    """A load that runs in a child process. Take the result once, with `result()`."""

    def __init__(self, pid: int, fd: int) -> None:
        self._pid = pid
        self._fd = fd

    def result(self) -> Settings:
        """Waits for the child. Raises ConfigError as `load` does. Start-up only: it blocks for some milliseconds."""
        import json

        from pvsched.config.problem import ConfigError, Problem

        with open(self._fd, "rb") as stream:
            answer = stream.read()
        os.waitpid(self._pid, 0)
        if not answer:
            raise ConfigError([Problem("configuration", 0, "", "the process that reads it has died")])
        document = json.loads(answer)
        if "problems" in document:
            raise ConfigError(
                [Problem(p["file"], p["line"], p["key"], p["message"], p["hint"]) for p in document["problems"]]
            )
        return Settings.from_document(document)


def load_apart(path: str | None, arguments: Mapping[str, str]) -> PendingLoad:
    """Begins a load in a child process: the caller can import what it needs meanwhile. Start-up only."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            answer = answer_text(path, arguments).encode()
            with open(writer, "wb") as stream:
                stream.write(answer)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    return PendingLoad(pid, reader)


def answer_text(path: str | None, arguments: Mapping[str, str]) -> str:
    """The settings, or what is wrong with them, as JSON."""
    import json

    from pvsched.config.problem import ConfigError

    try:
        return json.dumps(load(path, None, arguments).document())
    except ConfigError as problem:
        return json.dumps({"problems": [one.document() for one in problem.problems]})


def read_settings(data: Mapping[str, Any], context: object) -> object:
    """The reload's task, in a worker: {"path": str | None, "arguments": {name: text}, "fixed": {name: [value, origin]}}
    is what it takes.

    `fixed` is what the running daemon cannot change: it stays in what is returned. Returns {"problems": [...]}, or the
    new settings' document with `restart`: the keys whose new value has to wait for one.
    """
    from pvsched.config.merge import merged
    from pvsched.config.problem import ConfigError

    fixed = {name: (value, origin) for name, (value, origin) in data["fixed"].items()}
    path = data["path"] or os.environ.get("PVSCHED_CONFIG") or None
    try:
        wanted = merged(path, os.environ, data["arguments"], os.geteuid())
        reloaded = merged(path, os.environ, data["arguments"], os.geteuid(), fixed)
    except ConfigError as problem:
        return {"problems": [one.document() for one in problem.problems]}
    return {**reloaded.document(), "restart": wanted.differing(reloaded)}
