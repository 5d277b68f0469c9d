inherit stub-host-tool

HOST_TOOLS = "/usr/bin/pkg-config"

PROVIDES += "pkgconf-native"
