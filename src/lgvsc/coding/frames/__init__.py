"""Runs of frames: standard video codecs, the search for their best format, and DVST.

What the receiver can rebuild by itself is taken out of the streams here.
Which scheme sends them is decided in ``schemes``.
"""
