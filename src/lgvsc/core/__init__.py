"""The nouns: what travels along the link. Nothing here knows how any of it is made."""
