# Warns, when an image with pvsched is made, of what pvsched will miss in it: kernel options, and cgroup v2. For one image
# inherit it there, for all: IMAGE_CLASSES += "pvsched-sanity"; an image without pvsched is left alone.
# With PVSCHED_SANITY = "error" no image is made while there is something to warn of; "off" is for a single image that is
# no device's root file system, such as a container's: PVSCHED_SANITY:pn-NAME = "off".
PVSCHED_SANITY ??= "warn"

# Set it to "0" where no containers run: their kernel options are not asked for then.
PVSCHED_SANITY_CONTAINERS ??= "1"

# The .config of the image's kernel. A kernel that is compiled in this TMPDIR has left its own here when do_rootfs runs, which
# needs its do_packagedata. One from the sstate cache, and one that is prebuilt, leave none. No task is asked for it:
# do_shared_workdir, which makes it, never comes from sstate, so every fresh TMPDIR would compile a kernel; and bitbake
# gives up where a kernel's recipe has no such task.
PVSCHED_SANITY_KERNEL_CONFIG ??= "${STAGING_KERNEL_BUILDDIR}/.config"

pvsched_sanity[doc] = "Warn of what pvsched will miss in this image"

python pvsched_sanity() {
    import os
    import pvsched_layer

    root = d.getVar("IMAGE_ROOTFS")
    if d.getVar("PVSCHED_SANITY") == "off" or not os.path.exists(root + d.getVar("bindir") + "/pvsched"):
        return
    strict = d.getVar("PVSCHED_SANITY") == "error"
    found = pvsched_layer.image.findings(root, d.getVar("APPEND") or "")

    config = d.getVar("PVSCHED_SANITY_KERNEL_CONFIG")
    if os.path.exists(config):
        with open(config) as file:
            found += pvsched_layer.kernel.findings(file.read(), bb.utils.to_boolean(d.getVar("PVSCHED_SANITY_CONTAINERS")))
    else:
        (bb.warn if strict else bb.note)(
            "pvsched-sanity: no %s, so the kernel's options were not looked at. `bitbake -c shared_workdir virtual/kernel`"
            " compiles the kernel and makes it; or set PVSCHED_SANITY_KERNEL_CONFIG to the .config of a kernel that was"
            " built elsewhere. Then: bitbake -f -c rootfs %s" % (config, d.getVar("PN"))
        )

    for line in found:
        (bb.error if strict else bb.warn)("pvsched-sanity: " + line)
    if found and strict:
        bb.fatal('pvsched-sanity: no image is made with this, because PVSCHED_SANITY is "error"')
}

ROOTFS_POSTPROCESS_COMMAND += "pvsched_sanity"
