require pvsched-conf.inc
require pvsched-release.inc
