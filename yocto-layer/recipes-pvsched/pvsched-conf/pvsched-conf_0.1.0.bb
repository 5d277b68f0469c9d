require pvsched-conf.inc
require ../pvsched/pvsched-release.inc
