"""Settings: what keys there are (`schema`, `pantavisor`), where they come from (`load`), what is wrong with a file
(`check`).

The daemon's loop imports `settings` alone. All else runs in a short-lived child, so that the TOML parser and the tables
weigh nothing in the process that stays.
"""
