# Debian's Python of the target: its headers, and what it tells setuptools. The packages that openembedded-core splits it
# into are there by name, and empty: a dependency on one that does not exist is an error.

inherit stub stub-python

DEPENDS = "gcc-cross-${TARGET_ARCH} glibc python3-native"
PACKAGES = "${@' '.join(stub_python_packages(d))} python3-misc python3"
FILES:${PN}-dev = "${includedir} ${libdir}"

SYSCONFIGDATA = "${THISDIR}/files/sysconfigdata-of-sysroot.py"
do_install[file-checksums] += "${SYSCONFIGDATA}:True"
do_install[vardeps] += "STUB_ROOT STUB_TRIPLET"

do_install() {
    install -d ${D}${includedir} ${D}${libdir}/python-sysconfigdata
    cp -r ${STUB_ROOT}/usr/include/python3.11 ${D}${includedir}
    cp ${STUB_ROOT}/usr/include/${STUB_TRIPLET}/python3.11/pyconfig.h ${D}${includedir}/python3.11
    cat ${STUB_ROOT}/usr/lib/python3.11/_sysconfigdata__${STUB_TRIPLET}.py ${SYSCONFIGDATA} \
        > ${D}${libdir}/python-sysconfigdata/_sysconfigdata.py
}
