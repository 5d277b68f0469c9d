# The one program of shadow that recipes run: see useradd.

inherit stub native

USERADD = "${THISDIR}/files/useradd"
do_install[file-checksums] += "${USERADD}:True"

do_install() {
    install -D -m 755 ${USERADD} ${D}${bindir}/useradd
}
