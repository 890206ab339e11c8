"""Motion-compensated interpolation, the painter of words, and the trained model on top.

Runs on one core, offline.
Nothing here imports diffusers or transformers.
"""
