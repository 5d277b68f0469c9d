"""Exit statuses, after s6: 100 says the caller is wrong, 111 says the system is."""

from __future__ import annotations

OK = 0
FAILED = 1  # the daemon refused, the check failed, or what was asked for did not come about
MISUSE = 100  # a wrong verb, option or value: typing it again will not help
SYSTEM = 111  # no daemon answers, a file cannot be read or written, the disk is full: may help later
INTERRUPTED = 130  # Ctrl-C (128 + SIGINT)
PIPE = 141  # the reader of our output went away (128 + SIGPIPE)
