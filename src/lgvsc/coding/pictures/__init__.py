"""Every road that a keyframe or a sketch can take, digital and learned.

One road, one file; ``roads`` chooses among those for keyframes.
No video, no words.
"""
