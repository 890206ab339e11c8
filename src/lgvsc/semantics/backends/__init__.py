"""semantics/backends."""
