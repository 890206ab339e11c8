"""Captions and numbers as few bits: the text model, side information, colour layouts.

Integers only, so that every machine decodes the same.
No symbols; the modem makes those.
"""
