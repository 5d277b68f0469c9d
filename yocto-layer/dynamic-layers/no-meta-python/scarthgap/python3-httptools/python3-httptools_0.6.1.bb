require dynamic-layers/no-meta-python/python3-httptools.inc

SRC_URI[sha256sum] = "c6e26c30455600b95d94b1b836085138e82f177351454ee841c148f93a9bad5a"

inherit setuptools3
