"""World models, one room for each family.

Each makes frames from pictures, words and numbers behind one protocol.
No back end decides what was lost.
"""
