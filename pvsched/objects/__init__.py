"""Objects: files named by the SHA-256 of what they hold. `controller` is the main loop's side, `tasks` the workers'."""
