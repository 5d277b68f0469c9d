# With PANTAVISOR_FEATURES:append = " pvsched" the BSP's initramfs has pvsched beside Pantavisor.
PACKAGE_INSTALL:append = " ${@bb.utils.contains('PANTAVISOR_FEATURES', 'pvsched', 'pvsched pvsched-conf', '', d)}"
