"""A world model without weights: what was received, moved along the flow as far as the flow can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

from lgvsc.core.interfaces import Conditions
from lgvsc.core.video import Pixels
from lgvsc.world.backends.between import Between
from lgvsc.world.backends.painter import paint


class MotionInterpolation:
    """Frames between two keyframes by motion-compensated interpolation; holds across cuts and beside a lost one.

    Neither learns nor invents: where nothing was received but words, it paints them.
    """

    name = "motion-interpolation"

    def latent_frames(self, frames: int) -> int:
        """Its latent is the frames themselves."""
        return frames

    def generate(self, conditions: Conditions) -> Iterator[Pixels]:
        """Exactly ``stop - start`` frames, uint8 ``(H, W, 3)``, one by one.

        A frame at a keyframe's index is that keyframe.
        """
        c = conditions
        if c.cut is not None and c.start < c.cut:
            before, after = min(c.cut, c.stop), c.stop
            yield from self._one_sided(c, c.first, c.start, before)
            yield from self._one_sided(c, c.last, before, after)
        elif c.first is not None and c.last is not None and c.last_index > c.start:
            between = Between(c.first, c.last, c.motion)
            for index in range(c.start, c.stop):
                yield between.at(min(1.0, (index - c.start) / (c.last_index - c.start)))
        else:
            yield from self._one_sided(c, c.last if c.first is None else c.first, c.start, c.stop)

    def _one_sided(self, c: Conditions, picture: Pixels | None, start: int, stop: int) -> Iterator[Pixels]:
        """Frames next to one picture, or to none. Holding it is what comes closest on average."""
        if picture is None:
            yield from paint(c.caption, c.motion, c.video, stop - start, c.seed)
            return
        for _ in range(start, stop):
            yield picture
