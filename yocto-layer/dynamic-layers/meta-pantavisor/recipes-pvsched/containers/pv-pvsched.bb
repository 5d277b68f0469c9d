SUMMARY = "pvsched as a container of Pantavisor"
DESCRIPTION = "The scheduler and its daemon in a container, with its state on a permanent volume."
LICENSE = "MIT"

inherit core-image container-pvrexport

IMAGE_BASENAME = "${PN}"
IMAGE_FSTYPES = "pvrexportit"
IMAGE_FEATURES = ""
NO_RECOMMENDATIONS = "1"
IMAGE_INSTALL = "base-files base-passwd busybox pvsched pvsched-conf"

PVR_APP_ADD_EXTRA_ARGS += "--volume ovl:/var/lib/pvsched:permanent --config=Entrypoint=/usr/bin/pvsched --config=Cmd=run"
PVR_APP_ADD_GROUP = "app"
