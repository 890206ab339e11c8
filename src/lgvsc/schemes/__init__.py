"""Both ends of a link, one file for each kind of scheme.

A scheme puts semantics, coding and world together.
It knows no files and prints nothing.
"""
