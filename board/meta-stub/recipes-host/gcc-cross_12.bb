# Debian's cross gcc and binutils, by the names that recipes call them.

inherit stub cross

PN = "gcc-cross-${TARGET_ARCH}"
PROVIDES = "${PN} virtual/cross-cc virtual/cross-c++ virtual/cross-binutils \
    virtual/${TARGET_PREFIX}gcc virtual/${TARGET_PREFIX}g++ virtual/${TARGET_PREFIX}binutils"

WRAPPER = "${THISDIR}/files/compiler"
do_install[file-checksums] += "${WRAPPER}:True"
do_install[vardeps] += "STUB_TRIPLET"

STUB_BINUTILS = "addr2line ar as c++filt elfedit gprof ld ld.bfd nm objcopy objdump ranlib readelf size strings strip \
    gcc-ar gcc-nm gcc-ranlib"

do_install() {
    install -d ${D}${bindir}
    for tool in ${STUB_BINUTILS}; do
        printf '#!/bin/sh\nexec /usr/bin/${STUB_TRIPLET}-%s "$@"\n' "$tool" > ${D}${bindir}/${TARGET_PREFIX}$tool
        chmod 755 ${D}${bindir}/${TARGET_PREFIX}$tool
    done
    for tool in gcc g++; do
        sed "s,@COMPILER@,/usr/bin/${STUB_TRIPLET}-$tool," ${WRAPPER} > ${D}${bindir}/${TARGET_PREFIX}$tool
        chmod 755 ${D}${bindir}/${TARGET_PREFIX}$tool
    done
}
