# do_package asks which sources are in an ELF file's debug information: what Debian's debugedit says, in the other's form.

inherit stub native

DWARFSRCFILES = "${THISDIR}/files/dwarfsrcfiles"
do_install[file-checksums] += "${DWARFSRCFILES}:True"

do_install() {
    install -D -m 755 ${DWARFSRCFILES} ${D}${bindir}/dwarfsrcfiles
}
