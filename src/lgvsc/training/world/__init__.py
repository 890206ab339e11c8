"""The trainer of the compact world model, and its windows of clips.

A window holds what the receiver would know.
The model itself is in ``world`` and ``nets``.
"""
