"""Where things are when nobody said: configuration file, state directory, socket, link."""

from __future__ import annotations

import os
from collections.abc import Mapping

LINK = "/run/pantavisor/pv/pv-ctrl"


class Places:
    """The default paths of one user. Root has the system's; others have the XDG base directories."""

    __slots__ = ("config", "link", "socket", "state")

    def __init__(self, uid: int, environ: Mapping[str, str]) -> None:
        if uid == 0:
            self.config = "/etc/pvsched/pvsched.toml"
            self.state = "/var/lib/pvsched"
            self.socket = "/run/pvsched/pv-ctrl"
            self.link = LINK
            return
        home = environ.get("HOME") or "/"
        self.config = os.path.join(_directory(environ, "XDG_CONFIG_HOME", home, ".config"), "pvsched", "pvsched.toml")
        self.state = os.path.join(_directory(environ, "XDG_STATE_HOME", home, ".local/state"), "pvsched")
        # Without a login manager there is no XDG_RUNTIME_DIR: the state directory is ours alone as well.
        runtime = _directory(environ, "XDG_RUNTIME_DIR", "", "")
        self.socket = (
            os.path.join(runtime, "pvsched", "pv-ctrl") if runtime else os.path.join(self.state, "run", "pv-ctrl")
        )
        self.link = ""


def _directory(environ: Mapping[str, str], name: str, home: str, default: str) -> str:
    """An XDG directory; the specification says that a relative one is to be ignored."""
    value = environ.get(name, "")
    return value if value.startswith("/") else os.path.join(home, default) if default else ""
