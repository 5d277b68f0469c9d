# By name only: an image would run it, no recipe does.

inherit stub-host-tool
