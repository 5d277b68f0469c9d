require pvsched.inc
require pvsched-git.inc
require pvsched-ptest.inc
