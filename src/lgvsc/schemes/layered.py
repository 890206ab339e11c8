"""The layered link: a small coded video says what is where, a few keyframes what it looks like, words what it is.

    frames -> SKEM -> segments -> groups; each group's budget is divided between the three -> bursts

The receiver is that of LGVSC: a segment with a structure layer is made from it, any other one as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import ceil

from lgvsc.coding.parts.structure import LookAndPictureControl
from lgvsc.core.air import Burst
from lgvsc.core.message import Segment
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.schemes.conventional import group_length
from lgvsc.schemes.generative import MessageScheme
from lgvsc.schemes.layered_division import Divider
from lgvsc.schemes.layered_groups import LEAST_FRAMES, FrameGroup, Kept, groups_of


@dataclass(frozen=True)
class LayeredScheme(MessageScheme):
    """Messages whose segments are groups that share a structure layer, where that pays.

    Args:
        make_divider: What divides a group's budget.
    """

    make_divider: Callable[[], Divider] = field(kw_only=True)

    def segments(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[Segment]:
        """The segments alone, as packets carry them: there is no channel that could be worse, so nothing is insured."""
        divider = self.make_divider()
        divider.config = replace(divider.config, insured_db=0.0)
        return (segment for segment, _ in self._divided(divider, frames, video))

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """The bursts of each group, as soon as the group has ended. What it leaves of its budget the next may use."""
        return self._divided(self.make_divider(), frames, video)

    def _divided(
        self, divider: Divider, frames: Iterable[Frame], video: VideoFormat
    ) -> Iterator[tuple[Segment, Burst]]:
        kept = Kept(frames)
        segments = self.clock.during("semantics", self.encoder.segments(kept, video))
        longest = group_length(video, divider.config.longest(divider.objective))
        groups = groups_of(segments, kept, longest, min(longest, _least_frames(divider, video)))
        return self.clock.during("coding_send", _sent(groups, divider, video))


def _least_frames(divider: Divider, video: VideoFormat) -> int:
    """Frames of a group that a hard cut ends: so many that at least half of their symbols are left beside control."""
    per_frame = divider.belief.symbols_per_frame(divider.config.budget, video)
    return max(LEAST_FRAMES, ceil(2 * divider.belief.head_symbols(LookAndPictureControl) / per_frame))


def _sent(groups: Iterable[FrameGroup], divider: Divider, video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
    belief = divider.belief
    per_frame = belief.symbols_per_frame(divider.config.budget, video)
    credit, index = 0.0, 0
    for group in groups:
        credit += per_frame * len(group)
        for segment, burst in divider.divide(group, int(credit)):
            credit -= len(burst) + belief.frame_symbols
            yield segment, replace(burst, index=index)
            index += 1
