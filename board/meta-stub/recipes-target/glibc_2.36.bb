# Debian's libc of the target, out of the cross compiler's own copy of it.

inherit stub

PROVIDES += "virtual/libc virtual/libiconv virtual/libintl linux-libc-headers"
DEPENDS = "gcc-cross-${TARGET_ARCH}"

STUB_LIBC = "/usr/${STUB_TRIPLET}"
do_install[vardeps] += "STUB_TRIPLET"

do_install() {
    install -d ${D}${base_libdir} ${D}${libdir} ${D}${includedir}
    cp -r ${STUB_LIBC}/include/. ${D}${includedir}
    rm -rf ${D}${includedir}/c++
    for name in ld-linux libc libm libpthread libdl librt libutil libresolv libanl libnss_dns libnss_files; do
        for file in ${STUB_LIBC}/lib/$name*.so.[0-9]*; do
            if [ -e "$file" ]; then cp "$file" ${D}${base_libdir}; fi
        done
    done
    cp ${STUB_LIBC}/lib/*crt*.o ${STUB_LIBC}/lib/libc_nonshared.a ${D}${libdir}
    for name in m pthread dl rt util; do
        if [ -e ${STUB_LIBC}/lib/lib$name.a ]; then cp ${STUB_LIBC}/lib/lib$name.a ${D}${libdir}; fi
    done
    sed "s,${STUB_LIBC}/lib/,," ${STUB_LIBC}/lib/libc.so | sed "s,/usr/${STUB_TRIPLET}/lib/,,g" > ${D}${libdir}/libc.so
    ln -rs ${D}${base_libdir}/libm.so.6 ${D}${libdir}/libm.so
}

# In this order: both folders are one where /lib is in /usr.
PACKAGES = "${PN} ${PN}-dev"
FILES:${PN} = "${base_libdir}/*.so.[0-9]*"
FILES:${PN}-dev = "${includedir} ${libdir}"
