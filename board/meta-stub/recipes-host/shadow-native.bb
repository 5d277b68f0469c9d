inherit stub-host-tool

# useradd --root changes its root; under pseudo an ordinary user may.
HOST_TOOLS = "/usr/sbin/useradd /usr/sbin/usermod /usr/sbin/groupadd /usr/sbin/groupmems"
