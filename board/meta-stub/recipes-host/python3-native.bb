# Debian's Python as a virtual environment: it finds what recipes install into their sysroots, and nothing of the host's.

inherit stub stub-python native

STUB_SYSCONFIG = "${THISDIR}/files/stub_sysconfig.py"
do_install[file-checksums] += "${STUB_SYSCONFIG}:True"

RPROVIDES:${PN} += "python3-misc-native ${@' '.join(name + '-native' for name in stub_python_packages(d))}"

do_install() {
    install -d ${D}${bindir}/python3-native ${D}${includedir}
    ln -s /usr/bin/python3.11 ${D}${bindir}/nativepython3
    for name in python python3 python3.11; do
        printf '#!/bin/sh\nexec "${0%%/*}/../nativepython3" "$@"\n' > ${D}${bindir}/python3-native/$name
        chmod 755 ${D}${bindir}/python3-native/$name
    done
    printf 'home = /usr/bin\ninclude-system-site-packages = false\n' > ${D}${prefix}/pyvenv.cfg
    install -d ${D}${libdir}/python3.11/site-packages
    install -m 644 ${STUB_SYSCONFIG} ${D}${libdir}/python3.11/site-packages/stub_sysconfig.py
    echo "import stub_sysconfig" > ${D}${libdir}/python3.11/site-packages/stub.pth

    cp -rL /usr/include/python3.11 ${D}${includedir}
    cp /usr/include/${BUILD_ARCH}-linux-gnu/python3.11/pyconfig.h ${D}${includedir}/python3.11
}

# The file that makes it a virtual environment lies beside the folders that are staged.
sysroot_stage_all:append() {
    install -D -m 644 ${D}${prefix}/pyvenv.cfg ${SYSROOT_DESTDIR}${prefix}/pyvenv.cfg
}
