# What useradd reads of the target.

inherit stub

do_install() {
    install -D -m 644 /etc/login.defs ${D}${sysconfdir}/login.defs
}

SYSROOT_DIRS += "${sysconfdir}"
