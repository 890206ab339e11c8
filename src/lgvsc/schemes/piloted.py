"""Any scheme, with pilots among its symbols: what the air interface adds where the receiver must learn the channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lgvsc.channel.pilots import Pilots
from lgvsc.core.air import Burst, Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.interfaces import Rebuilt, Scheme
from lgvsc.core.message import Segment
from lgvsc.core.video import Frame, VideoFormat


class PilotedScheme:
    """Both ends of the link. Pilots are a static contract: nothing about them is sent, all of them are charged.

    Args:
        scheme: What makes and reads the symbols in between.
        pilots: Where they are, and how gains are estimated.
        clock: Counts the seconds of each stage.
    """

    def __init__(self, scheme: Scheme, pilots: Pilots, clock: Stopwatch) -> None:
        self.name = scheme.name
        self._scheme, self._pilots, self._clock = scheme, pilots, clock

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """The scheme's bursts, with one more part: the pilots among their symbols."""
        data = 0
        for segment, burst in self._scheme.transmit(frames, video):
            with self._clock.stage("coding_send"):
                piloted = self._pilots.inserted(burst, data)
            data += len(burst)
            yield segment, piloted

    def reconstruct(
        self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None] = lambda _: None
    ) -> Iterator[Rebuilt]:
        """The scheme's video, from symbols that are equalised by their pilots first.

        Args:
            receptions: What arrives, not equalised, in pieces of any size.
            on_segment: Called with each segment as it was received.
        """
        return self._scheme.reconstruct(self._pilots.estimated(receptions), on_segment)
