"""``lgvsc ui``: the link as a page on this computer. Work on uploads is done elsewhere, see ``work``."""
