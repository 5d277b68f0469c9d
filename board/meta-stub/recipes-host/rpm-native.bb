inherit stub-host-tool

# do_package asks rpmdeps what files need.
do_install() {
    install -d ${D}${libdir}/rpm
    printf '#!/bin/sh\nexec /usr/lib/rpm/rpmdeps "$@"\n' > ${D}${libdir}/rpm/rpmdeps
    chmod 755 ${D}${libdir}/rpm/rpmdeps
}
