"""Pipelines of the diffusers library as world models, and GVSC's first frame from a sketch.

One pipeline family, one file.
The library is imported inside functions only.
"""
