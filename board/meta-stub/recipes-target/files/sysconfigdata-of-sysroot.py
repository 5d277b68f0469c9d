# Where the recipe that builds now has its sysroot, as its environment tells.
import os

_include = os.environ.get("STAGING_INCDIR", "/usr/include")
build_time_vars.update(
    INCLUDEDIR=_include,
    CONFINCLUDEDIR=_include,
    INCLUDEPY=f"{_include}/python3.11",
    CONFINCLUDEPY=f"{_include}/python3.11",
    LIBDIR=os.environ.get("STAGING_LIBDIR", "/usr/lib"),
    MULTIARCH="",
)
