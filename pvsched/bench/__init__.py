"""Measurements that a person runs on their own board: `pvsched bench`, and the parts that `pvsched demo` shares.

One module a topic; each gives rows (see rows.py). Only the standard library and pvsched are needed: a peer that cannot
be imported is left out, and the table says so.
"""
