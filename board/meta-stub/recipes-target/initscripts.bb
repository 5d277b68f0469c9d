# By name only: recipes depend on it, and take nothing from it.

inherit stub

RPROVIDES:${PN} += "initd-functions"
