"""The generative scheme of LGVSC: a video as captions and keyframes, and a world model that fills in the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

from lgvsc.coding.message_codec import MessageCodec
from lgvsc.core.ahead import ahead
from lgvsc.core.air import Burst, Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.message import Segment
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.semantics.encoder import SemanticEncoder
from lgvsc.world.decoder import SemanticDecoder


@dataclass(frozen=True)
class MessageScheme(ABC):
    """Both ends of a link that sends messages, but for how they are sent.

    The ends share this object's type and configuration, and nothing about the video. Each is made when it is first
    used, so that a receiver does not load the transmitter's models, nor the transmitter the receiver's.
    """

    name: str
    make_encoder: Callable[[], SemanticEncoder]
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

    @abstractmethod
    def segments(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[Segment]:
        """What is said of a video, each segment as soon as it has ended: for links of packets."""

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


@dataclass(frozen=True)
class GenerativeScheme(MessageScheme):
    """One message for each segment, as its keyframes, words and numbers are found.

    Source: Ma et al. 2026 (arXiv:2606.12899), section II-A and Fig. 2.
    """

    def segments(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[Segment]:
        return self.clock.during("semantics", self.encoder.segments(frames, video))

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """One burst for each segment, as soon as the segment has ended. The next one is described meanwhile."""
        segments = ahead(self.segments(frames, video), partial(self.clock.stage, None))
        return self.clock.during("coding_send", self.codec.encode(segments))


def tap(segments: Iterable[Segment], on_segment: Callable[[Segment], None]) -> Iterator[Segment]:
    """The same segments, each shown to ``on_segment`` as it passes."""
    for segment in segments:
        on_segment(segment)
        yield segment
