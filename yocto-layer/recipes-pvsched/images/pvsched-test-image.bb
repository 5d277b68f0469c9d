SUMMARY = "A small image with pvsched, its benchmark and, with the distribution feature ptest, its tests"

inherit core-image pvsched-sanity

IMAGE_FEATURES += "allow-empty-password allow-root-login empty-root-password"
IMAGE_INSTALL = " \
    packagegroup-core-boot \
    packagegroup-pvsched \
    pvsched-bench \
    ${@bb.utils.contains('DISTRO_FEATURES', 'ptest', 'pvsched-ptest', '', d)} \
    ${CORE_IMAGE_EXTRA_INSTALL} \
"
