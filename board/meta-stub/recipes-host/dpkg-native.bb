inherit stub-host-tool

HOST_TOOLS = "/usr/bin/dpkg /usr/bin/dpkg-deb"
