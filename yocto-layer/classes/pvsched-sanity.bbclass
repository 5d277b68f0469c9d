# Warns, when an image is made, of what pvsched will miss in it: kernel options, and cgroup v2. For one image inherit it
# there, for all: IMAGE_CLASSES += "pvsched-sanity". PVSCHED_SANITY = "error" makes the warnings errors.
PVSCHED_SANITY ??= "warn"

# Set it to "0" where no containers run: their kernel options are not asked for then.
PVSCHED_SANITY_CONTAINERS ??= "1"

pvsched_sanity[doc] = "Warn of what pvsched will miss in this image"

# Kernels without a configuration here (linux-dummy, one that is built elsewhere) are not looked at: a note says so.
python pvsched_sanity() {
    import os
    import pvsched_layer

    say = bb.error if d.getVar("PVSCHED_SANITY") == "error" else bb.warn
    found = pvsched_layer.image.findings(d.getVar("IMAGE_ROOTFS"), d.getVar("APPEND") or "")

    config = os.path.join(d.getVar("STAGING_KERNEL_BUILDDIR"), ".config")
    if os.path.exists(config):
        with open(config) as file:
            found += pvsched_layer.kernel.findings(file.read(), bb.utils.to_boolean(d.getVar("PVSCHED_SANITY_CONTAINERS")))
    else:
        bb.note("pvsched-sanity: no %s, so the kernel's options were not looked at" % config)

    for line in found:
        say("pvsched-sanity: " + line)
}

ROOTFS_POSTPROCESS_COMMAND += "pvsched_sanity"

# The kernel's .config is in place after this; a kernel class that has no such task is left alone.
do_rootfs[depends] += "${@'' if d.getVar('PREFERRED_PROVIDER_virtual/kernel') == 'linux-dummy' else 'virtual/kernel:do_shared_workdir'}"
