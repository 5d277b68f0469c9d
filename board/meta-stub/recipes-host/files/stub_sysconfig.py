"""What openembedded-core's patches make of Python's `sysconfig`, for Debian's Python.

A recipe for the target says so by `_PYTHON_SYSCONFIGDATA_NAME`. What it installs goes below the target's prefix then,
and no header of the native sysroot is offered to its compiler, as one of a virtual environment would be. (Not a
`sitecustomize`: Debian has one of its own, which would hide it.)
"""

import os
import sys
import sysconfig

if "_PYTHON_SYSCONFIGDATA_NAME" in os.environ:
    sys.base_exec_prefix = sys.exec_prefix
    values = sysconfig.get_config_vars()
    values["base"] = values["platbase"] = values["prefix"]
