# With PANTAVISOR_FEATURES:append = " pvsched" the BSP's initramfs has pvsched's files beside Pantavisor's. Nothing starts the
# daemon there: Pantavisor is PID 1, reads neither units nor init scripts, and its own daemons are a table in its source. It
# is for who starts `pvsched run` from a change of that, and for the command: pvsched doctor, pvsched status.
# nooelint: oelint.vars.noncoreoverride - the feature is the condition
PACKAGE_INSTALL:append = " ${@bb.utils.contains('PANTAVISOR_FEATURES', 'pvsched', 'pvsched pvsched-conf', '', d)}"
