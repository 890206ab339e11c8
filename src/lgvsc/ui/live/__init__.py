"""``lgvsc ui --live``: pictures cross the link while they are taken, and the channel changes while they do."""
