SUMMARY = "A small image with pvsched, its benchmark and its tests"
DESCRIPTION = "Boots to pvsched. With the distribution feature ptest the tests are in it as well."
BUGTRACKER = "https://www.pvsched.invalid/issues"
SECTION = "base"
LICENSE = "MIT"

# An image is no product of its own: its packages are.
CVE_PRODUCT = ""

inherit core-image pvsched-sanity

IMAGE_INSTALL = "\
    packagegroup-core-boot \
    packagegroup-pvsched \
    pvsched-bench \
    ${@bb.utils.contains('DISTRO_FEATURES', 'ptest', 'pvsched-ptest', '', d)} \
    ${CORE_IMAGE_EXTRA_INSTALL} \
"
