"""The cffi extension; what `lib` offers is declared in csrc/pvs.h."""

from typing import Any

lib: Any
ffi: Any
