"""What the papers print, as data: TOML by paper, and what reads it."""
