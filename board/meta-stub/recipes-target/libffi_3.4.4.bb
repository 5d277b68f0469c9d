# Debian's libffi of the target.

inherit stub

DEPENDS = "gcc-cross-${TARGET_ARCH} glibc"

do_install[vardeps] += "STUB_ROOT STUB_TRIPLET"

do_install() {
    install -d ${D}${includedir} ${D}${libdir}
    cp ${STUB_ROOT}/usr/include/${STUB_TRIPLET}/ffi*.h ${D}${includedir}
    cp -P ${STUB_ROOT}/usr/lib/${STUB_TRIPLET}/libffi.so* ${D}${libdir}
}
