"""What the scripts in `board/` are made of: one noun a module."""
