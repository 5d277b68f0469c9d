SUMMARY = "pvsched as a container of Pantavisor"
DESCRIPTION = "The scheduler and its daemon in a container, with its state on a permanent volume."
BUGTRACKER = "https://www.pvsched.invalid/issues"
SECTION = "base"
LICENSE = "MIT"

# An image is no product of its own: its packages are.
CVE_PRODUCT = ""

inherit core-image container-pvrexport

IMAGE_BASENAME = "${PN}"
IMAGE_FSTYPES = "pvrexportit"
IMAGE_FEATURES = ""
NO_RECOMMENDATIONS = "1"
IMAGE_INSTALL = "base-files base-passwd busybox pvsched pvsched-conf"

# What the class pvsched-sanity looks for is the host's: its kernel, and who mounts cgroup v2.
# nooelint: oelint.vars.mispell.unknown - that class's own
PVSCHED_SANITY = "off"

# nooelint: oelint.vars.mispell.unknown - meta-pantavisor's own
PVR_APP_ADD_EXTRA_ARGS += "\
    --volume ovl:${localstatedir}/lib/pvsched:permanent --config=Entrypoint=${bindir}/pvsched --config=Cmd=run \
"
# nooelint: oelint.vars.mispell.unknown - meta-pantavisor's own
PVR_APP_ADD_GROUP = "app"
