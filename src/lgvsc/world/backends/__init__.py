"""world/backends."""
