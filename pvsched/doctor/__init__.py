"""`pvsched doctor`: what this kernel and this image offer, what is missing, what that costs, and the line that adds it.

One module a subject (processes, cgroups, storage, containers, device), each a table of probes. A probe looks by doing,
wherever that is harmless, and does so in a child process (isolation.py): a kernel that kills for a system call kills
that child. Nothing here is imported by the daemon.
"""
