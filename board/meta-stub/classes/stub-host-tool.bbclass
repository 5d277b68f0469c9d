# A native recipe whose programs are the host's: HOST_TOOLS names them by their paths.

inherit stub native

HOST_TOOLS ?= ""

do_install() {
    for tool in ${HOST_TOOLS}; do
        install -d ${D}${bindir}
        printf '#!/bin/sh\nexec %s "$@"\n' "$tool" > ${D}${bindir}/${tool##*/}
        chmod 755 ${D}${bindir}/${tool##*/}
    done
}
