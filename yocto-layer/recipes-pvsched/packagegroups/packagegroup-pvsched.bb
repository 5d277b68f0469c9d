SUMMARY = "pvsched with its settings"
DESCRIPTION = "What an image installs to be supervised by pvsched."

inherit packagegroup

RDEPENDS:${PN} = "pvsched pvsched-conf"
