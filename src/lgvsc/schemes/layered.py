"""The layered link: a small coded video says what is where, a few keyframes what it looks like, words what it is.

    frames -> SKEM -> segments -> groups; each group's budget is divided between the three -> bursts

The receiver is that of LGVSC: a segment with a structure layer is made from it, any other one as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from lgvsc.coding.budget import Budget
from lgvsc.coding.message_codec import MessageCodec
from lgvsc.core.air import Burst, Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.message import Segment
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.schemes.conventional import group_length
from lgvsc.schemes.generative import tap
from lgvsc.schemes.layered_division import Divider
from lgvsc.schemes.layered_groups import FrameGroup, Kept, groups_of
from lgvsc.semantics.encoder import SemanticEncoder
from lgvsc.world.decoder import SemanticDecoder


@dataclass(frozen=True)
class LayeredScheme:
    """Both ends of the link. Each is made when it is first used.

    Args:
        make_encoder: The semantic encoder, SKEM.
        make_divider: What divides a group's budget.
        codec: Reads what arrives.
        make_decoder: The semantic decoder.
    """

    name: str
    make_encoder: Callable[[], SemanticEncoder]
    make_divider: Callable[[], Divider]
    codec: MessageCodec
    make_decoder: Callable[[], SemanticDecoder]
    clock: Stopwatch = field(default_factory=Stopwatch)

    @cached_property
    def encoder(self) -> SemanticEncoder:
        """The transmitter's half."""
        return self.make_encoder()

    @cached_property
    def decoder(self) -> SemanticDecoder:
        """The receiver's half."""
        return self.make_decoder()

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """The bursts of each group, as soon as the group has ended. What it leaves of its budget the next may use."""
        divider, kept = self.make_divider(), Kept(frames)
        segments = self.clock.during("semantics", self.encoder.segments(kept, video))
        longest = group_length(video, divider.config.longest(divider.objective))
        return self.clock.during("coding_send", _sent(groups_of(segments, kept, longest), divider, video))

    def reconstruct(
        self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None] = lambda _: None
    ) -> Iterator[Rebuilt]:
        """The video, piece by piece, from received symbols and granted channel state alone.

        Args:
            receptions: What arrives, in pieces of any size.
            on_segment: Called with each segment as it was received; lost parts are ``None``.
        """
        segments = self.clock.during("coding_receive", self.codec.decode(receptions))
        return self.clock.during("world", self.decoder.videos(tap(segments, on_segment)))


def _sent(groups: Iterable[FrameGroup], divider: Divider, video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
    budget = Budget.parse(divider.config.budget)
    per_frame = budget.symbols_per_frame(video, divider.belief.bits_per_symbol())
    credit, index = 0.0, 0
    for group in groups:
        credit += per_frame * len(group)
        for segment, burst in divider.divide(group, int(credit)):
            credit -= len(burst)
            yield segment, replace(burst, index=index)
            index += 1
