inherit stub-host-tool

HOST_TOOLS = "/usr/bin/patch"

PROVIDES += "patch-replacement-native"
