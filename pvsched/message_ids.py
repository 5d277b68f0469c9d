"""The journal's MESSAGE_ID of each event that an operator may search for, or be woken by.

By the very text that is logged, so that no call names both. An id never changes and is never used again; what each one
means stands in `board/systemd/pvsched.catalog` (`journalctl -x`) and `docs/reference/events.md`. Imported only where
the log goes to the journal: it weighs nothing elsewhere.
"""

MESSAGE_IDS = {
    "ready": "cfef0c7a118b4402b0cb6e5a649db45b",
    "stopping": "d151694ab8eb470090440922253142e8",
    "the deadline for stopping is over": "2f27f684fab1416b9b010784687c31a8",
    "second signal to stop: leaving at once": "909426f8d4f94280a64cd3dc8ad28603",
    "configuration reloaded": "ac4ff0e1b3cf45f18a7adf30a47e92ac",
    "some new settings need a restart": "557f321b337d4a42ba4634bbe38003c1",
    "configuration refused: the old one stays": "ea3b3609ca2f42288d62bfccbaf454c5",
    "the configuration could not be read": "febc3f0648f74e639d9d8f2edf33677e",
    "cannot reload the configuration now": "378bf90d01704a0980df71f527ce9b6f",
    "object-rotten": "4761756018084161a560daf3eb40d7cf",
    "objects-failed": "4dd9311a1e58491183270980df5964f8",
    "objects-scanned": "8f4c3a59cec74aa889443259716099a5",
    "objects-verified": "233eeca940f440c18f0732fdbac6d9b6",
    "worker-died": "5670f71b19b646498d8b5e3c3e2e954d",
    "keeper-died": "68c5a379c6a046c494f33ef44e8bf13f",
    "callback-failed": "f4009583e41348658f4d87b3ac65ec1a",
    "a callback failed": "aa35c60d64004912ad324d578676aa21",
    "no connection could be accepted": "c7736da9d4de4062a0cb1c64724d64d5",
    "fewer files than control.max_connections needs": "a8d13464903645a29a57dbbb6d92f9ef",
    "a stream was closed: its client reads too slowly": "6a950717393a4897b2e79ef4e7694149",
    "httptools refuses good requests here": "81c0117f9a6b4ff4b4f348bacd28bc15",
    "no link for the shell clients": "4051026b2cdd4007a2bcf6aefb476177",
    "a socket that nobody needs was passed": "ffcfd7dc0cc64aa4960471300fd77928",
    "log records were dropped": "3aa9d53a47af48ffa7bcf664a1870de0",
}
