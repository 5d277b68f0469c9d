"""pv-ctrl: the local control socket, from bytes to handlers and back.

head -> http -> connection -> routes -> endpoints, and the answer back through reply. Nothing here waits.
"""
