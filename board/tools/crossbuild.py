"""Builds the wheel of the project in the current folder as if this Python were the target's.

`crossbuild.py ANSWERS [OUT]`, run by the toolchain's Python; without OUT it stops when the extension is compiled.
setuptools asks `sysconfig` for everything that depends on the machine: the compiler, where `Python.h` is, how an
extension's file is called, which Python the wheel is for. ANSWERS is a JSON file with the answers.
"""

from __future__ import annotations

import json
import runpy
import sys
import sysconfig
from pathlib import Path


def main(answers: str, out: str | None = None) -> None:
    """Answer for the target, then let the project's own setup do the rest."""
    said = json.loads(Path(answers).read_text())
    sysconfig.get_config_vars().update(said["variables"])
    from setuptools import build_meta

    sys.path.insert(0, "")  # as for any setup.py that imports what lies beside it
    if out is None:
        sys.argv = ["setup.py", "build_ext"]
        runpy.run_path("setup.py", run_name="__main__")
        return
    # The versions of the interface that the headers are for, not this Python's, are in the wheel's name.
    print(build_meta.build_wheel(out, {"--build-option": ["--plat-name", said["platform"]]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
