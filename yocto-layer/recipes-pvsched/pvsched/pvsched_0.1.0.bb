require pvsched.inc
require pvsched-release.inc
require pvsched-ptest.inc
