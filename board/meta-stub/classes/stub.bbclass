# What every stub is: no source, nothing to configure or compile; do_install takes files from the host or STUB_ROOT.

SUMMARY = "Stands in for the recipe of the same name"
LICENSE = "CLOSED"
INHIBIT_DEFAULT_DEPS = "1"

do_fetch[noexec] = "1"
do_unpack[noexec] = "1"
do_patch[noexec] = "1"
do_patch[depends] = ""
do_configure[noexec] = "1"
do_compile[noexec] = "1"

# Debian's files are stripped, and linked Debian's way.
INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_PACKAGE_DEBUG_SPLIT = "1"
INHIBIT_SYSROOT_STRIP = "1"
STUB_SKIP = "already-stripped arch dev-so file-rdeps ldflags libdir staticdev textrel 32bit-time buildpaths"

python () {
    for package in (d.getVar("PACKAGES") or "").split():
        d.appendVar("INSANE_SKIP:" + package, " " + d.getVar("STUB_SKIP"))
        d.setVar("ALLOW_EMPTY:" + package, "1")
}
