"""What the compact captioner says of one picture alone: words of any video, for metrics that compare words."""

from __future__ import annotations

from functools import cache

from lgvsc.core.frames import Frame, Pixels
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner


def describe_pixels(pixels: Pixels) -> str:
    """A description of one 8-bit RGB picture ``(H, W, 3)``."""
    (words,) = captioner().describe([Frame(0, pixels)])
    return words


@cache
def captioner() -> CompactCaptioner:
    """One for all pictures; it forgets all but the last few."""
    return CompactCaptioner()
