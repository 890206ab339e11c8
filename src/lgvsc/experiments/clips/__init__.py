"""Clips for experiments: a sample made on the spot, beginnings, cut-outs, sheets.

Nothing is downloaded.
No metric is computed here.
"""
