inherit stub-host-tool

HOST_TOOLS = "/usr/bin/unzip"
