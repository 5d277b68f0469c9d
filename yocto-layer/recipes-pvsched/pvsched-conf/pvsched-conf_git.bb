require pvsched-conf.inc
require ../pvsched/pvsched-git.inc
