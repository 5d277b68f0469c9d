# Debian's pseudo, in the place where FAKEROOTCMD looks.

inherit stub native

PROVIDES += "virtual/fakeroot-native"

do_install() {
    install -d ${D}${bindir} ${D}${prefix}/lib/pseudo/lib ${D}${prefix}/lib/${BUILD_ARCH}-linux-gnu
    install -m 755 /usr/bin/pseudo /usr/bin/pseudodb /usr/bin/pseudolog ${D}${bindir}
    install -m 755 /usr/lib/${BUILD_ARCH}-linux-gnu/pseudo/libpseudo.so ${D}${prefix}/lib/pseudo/lib
    # where it looks by itself; not everyone sets PSEUDO_LIBDIR
    ln -s ../pseudo/lib ${D}${prefix}/lib/${BUILD_ARCH}-linux-gnu/pseudo
}
