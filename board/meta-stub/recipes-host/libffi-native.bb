inherit stub-host-tool

# The host's compiler finds the host's libffi by itself.
HOST_TOOLS = ""
