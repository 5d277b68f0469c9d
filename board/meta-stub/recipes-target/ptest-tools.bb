# By name only: what the package of tests needs on the target, and takes nothing from here.

inherit stub

PACKAGES = "ptest-runner python3-hypothesis python3-pytest python3-unittest-automake-output"
