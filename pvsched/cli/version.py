"""`pvsched version`."""

from __future__ import annotations

import platform
from importlib import import_module

from pvsched.cli.arguments import options, parser
from pvsched.cli.output import print_json


def versions() -> dict[str, str]:
    """What a report of a defect needs: ours, Python's, those of the two libraries, the kernel's."""
    import pvsched

    return {
        "pvsched": pvsched.__version__,
        "core": "built" if version_of("pvsched._core", "ffi") else "missing",
        "python": platform.python_version(),
        "cffi": version_of("_cffi_backend", "__version__") or "missing",
        "httptools": version_of("httptools._version", "__version__") or "missing",
        "kernel": platform.release(),
        "machine": platform.machine(),
    }


def version_of(module: str, name: str) -> str:
    """A module's own word, "" where it is not installed: importlib.metadata would cost more than all the rest."""
    try:
        return str(getattr(import_module(module), name))
    except (ImportError, AttributeError):
        return ""


def main(arguments: list[str]) -> int:
    chosen = options(parser("version", "Versions of pvsched, Python and the kernel.", talks=False), arguments)
    found = versions()
    if chosen.json:
        print_json(found)
    else:
        print(" ".join(["pvsched", found.pop("pvsched"), *(f"{name}={value}" for name, value in found.items())]))
    return 0
