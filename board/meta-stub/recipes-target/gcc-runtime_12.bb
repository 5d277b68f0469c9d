# Debian's libgcc of the target.

inherit stub

PROVIDES += "virtual/compilerlibs virtual/${TARGET_PREFIX}compilerlibs libgcc"
DEPENDS = "gcc-cross-${TARGET_ARCH} glibc"
PACKAGES = "libgcc"
FILES:libgcc = "${base_libdir}"

do_install[vardeps] += "STUB_TRIPLET"

do_install() {
    install -D -m 644 /usr/${STUB_TRIPLET}/lib/libgcc_s.so.1 ${D}${base_libdir}/libgcc_s.so.1
}
