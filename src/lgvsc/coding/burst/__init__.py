"""What frames a burst: preambles, control blocks and the grammar of their fields.

A new layout of control stands here, or beside the part that it announces.
No payload is coded here.
"""
