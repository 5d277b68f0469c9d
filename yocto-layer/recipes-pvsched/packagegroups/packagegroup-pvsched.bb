SUMMARY = "pvsched with its settings"
DESCRIPTION = "What an image installs to be supervised by pvsched."
BUGTRACKER = "https://www.pvsched.invalid/issues"
SECTION = "base"

inherit packagegroup

RDEPENDS:${PN} = "pvsched pvsched-conf"
