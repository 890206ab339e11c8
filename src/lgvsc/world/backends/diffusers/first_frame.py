"""A world model that knows no sketches, behind one that makes a first frame of a sketch: GVSC's two in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from lgvsc.core.interfaces import Conditions, WorldModel
from lgvsc.core.video import Pixels, VideoFormat


class MakesFrames(Protocol):
    """Makes a picture of a sketch and words, as ``sketch_to_frame.SketchToFrame`` does."""

    def make(self, sketch: Pixels, caption: str | None, video: VideoFormat, seed: int) -> Pixels: ...


class FirstFrameWorld:
    """Where a segment's first frame came as a sketch, it is made a picture first, and the video goes on from there.

    Sketches of other frames are not used, nor is any where the picture itself came.

    Args:
        world: Makes the video.
        first: Name of what makes the first frame.
        load_first: Loads it; called when the first such frame is wanted.

    Source: Yin et al. 2025 (arXiv:2502.13838), section III-A, "Sketch+Desc.": Stable Diffusion 3.5 makes the first
    frame, Open-Sora the video.
    """

    takes_sketches = True

    def __init__(self, world: WorldModel, first: str, load_first: Callable[[], MakesFrames]) -> None:
        self.name = f"{first} and {world.name}"
        self._world = world
        self._load_first = load_first

    def latent_frames(self, frames: int) -> int:
        """The world model's own."""
        return self._world.latent_frames(frames)

    def generate(self, conditions: Conditions) -> Iterator[Pixels]:
        """Exactly ``stop - start`` frames, uint8 ``(H, W, 3)``."""
        c = conditions
        sketch = dict(c.sketches).get(c.start)
        first = c.first
        if first is None and sketch is not None:
            first = self._load_first().make(sketch, c.caption, c.video, c.seed)
        return self._world.generate(replace(c, first=first, sketches=()))
