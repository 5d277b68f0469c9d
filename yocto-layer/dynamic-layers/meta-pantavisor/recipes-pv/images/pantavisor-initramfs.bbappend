# With PANTAVISOR_FEATURES:append = " pvsched" the BSP's initramfs has pvsched beside Pantavisor.
# nooelint: oelint.vars.noncoreoverride - the feature is the condition
PACKAGE_INSTALL:append = " ${@bb.utils.contains('PANTAVISOR_FEATURES', 'pvsched', 'pvsched pvsched-conf', '', d)}"
