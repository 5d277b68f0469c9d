"""What this layer's classes know, in plain Python, so that it can be tested without bitbake."""

BBIMPORTS = ["kernel", "image"]
