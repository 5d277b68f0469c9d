# Debian's first users, for those that a recipe adds to them.

inherit stub

do_install() {
    install -D -m 644 /usr/share/base-passwd/passwd.master ${D}${sysconfdir}/passwd
    install -D -m 644 /usr/share/base-passwd/group.master ${D}${sysconfdir}/group
}

SYSROOT_DIRS += "${sysconfdir}"
