"""`python -m pvsched` and the `pvsched` command."""

from __future__ import annotations

import sys

from pvsched.cli import main

if __name__ == "__main__":
    sys.exit(main())
