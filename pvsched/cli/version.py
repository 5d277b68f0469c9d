"""`pvsched version`."""

from __future__ import annotations

import platform

from pvsched.cli.arguments import options, parser
from pvsched.cli.output import print_json


def versions() -> dict[str, str]:
    """What a report of a defect needs: ours, Python's, the kernel's."""
    import pvsched

    return {
        "pvsched": pvsched.__version__,
        "core": core(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
    }


def core() -> str:
    try:
        import pvsched._core
    except ImportError as problem:
        return f"missing ({problem})"
    return "built" if pvsched._core is not None else "missing"


def main(arguments: list[str]) -> int:
    chosen = options(parser("version", "Versions of pvsched, Python and the kernel.", talks=False), arguments)
    found = versions()
    if chosen.json:
        print_json(found)
    else:
        print(" ".join(["pvsched", found.pop("pvsched"), *(f"{name}={value}" for name, value in found.items())]))
    return 0
