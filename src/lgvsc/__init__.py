"""lgvsc: video as meaning."""

__version__ = "0.1.0"
