"""What a video means: captions, divergence, keyframes, motion, sketches.

The encoder makes segments; back ends describe and judge behind protocols.
Nothing is coded for a channel here.
More than fifteen files, as each is one step or one measure on the way from frames to segments.
"""
