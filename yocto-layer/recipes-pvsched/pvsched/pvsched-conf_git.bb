require pvsched-conf.inc
require pvsched-git.inc
