"""GVSC's baseline DJSCC-RGB: every frame by itself through one joint source-channel code, at a constant rate.

One burst for some frames: preamble, control block, and the analogue symbols of each frame, equally many for all. No
frame knows of another, so nothing accumulates and nothing is saved where nothing moves.

GVSC takes three levels of sampling and keeps "3 channels" (section IV-B). Three reals for each 8 x 8 pixels are CBR
0.0078, which is also what its H.264 and H.265 baselines spend (0.008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from lgvsc.channel.common import erase_bad
from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import FramesControl, described
from lgvsc.coding.burst.framing import MAX_BURST_SYMBOLS, ControlRead
from lgvsc.coding.pictures.deepjscc import DeepJsccPictureCodec
from lgvsc.core.air import Burst, Part, Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.message import PARTS, PartStatus, Segment
from lgvsc.core.video import Frame, Pixels, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.schemes.bursts_in_order import bursts_in_order
from lgvsc.schemes.player import Decoded, Player

MAX_FRAMES = FramesControl.most("length")  # of a burst
REALS = range(2, 17)  # for each 8 x 8 pixels, that the codec has learned to do with


@dataclass(frozen=True, slots=True, kw_only=True)
class DjsccConfig:
    """How frames are sent.

    Attributes:
        reals: Real values for each 8 x 8 pixels of a frame; CBR is 1/384 for each of them.
        burst_frames: Frames that share a control block.
    """

    reals: int = 3
    burst_frames: int = 32

    def __post_init__(self) -> None:
        if self.reals not in REALS:
            raise ConfigError(f"djscc.reals is {self.reals}; the codec sends {REALS[0]} to {REALS[-1]}, as GVSC 3")
        if not 1 <= self.burst_frames <= MAX_FRAMES:
            raise ConfigError(f"djscc.burst_frames is {self.burst_frames}; control carries 1 to {MAX_FRAMES}")

    def within(self, budget: str, codec: DeepJsccPictureCodec, video: VideoFormat, belief: Belief) -> DjsccConfig:
        """These settings at the highest rate that a budget allows, control blocks paid first.

        Args:
            budget: As :class:`~lgvsc.coding.budget.Budget` reads it.
            belief: What the transmitter believes of the channel.

        Raises:
            ConfigError: Even the lowest rate costs more.
        """
        per_frame = belief.symbols_per_frame(budget, video)
        frames = video.frames or self.burst_frames
        control = belief.head_symbols(FramesControl) * -(-frames // self.burst_frames) / frames
        fewest = codec.min_symbols(video.height, video.width)
        reals = min(int((per_frame - control) * REALS[0] / fewest), REALS[-1])
        if reals < REALS[0]:
            least = (fewest + control) / belief.data_share / (3 * video.height * video.width)
            raise ConfigError(
                f"djscc-rgb sends every frame and costs a CBR of {least:.4f} at least, above coding.budget = "
                f"{budget!r}; give it more, or take another scheme"
            )
        return replace(self, reals=reals)


class DjsccRgbScheme:
    """Both ends of the link. The receiver's half uses the codec and nothing else.

    Args:
        codec: The same at both ends.
        belief: What the transmitter believes of the channel.
        config: See :class:`DjsccConfig`.
        clock: Counts the seconds of each stage.
    """

    name = "djscc-rgb"

    def __init__(
        self, codec: DeepJsccPictureCodec, belief: Belief, config: DjsccConfig, clock: Stopwatch | None = None
    ) -> None:
        self._codec, self._belief, self._config = codec, belief, config
        self._clock = clock or Stopwatch()

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """One burst for every few frames."""
        return self._clock.during("coding_send", self._send(frames, video))

    def reconstruct(
        self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None] = lambda _: None
    ) -> Iterator[Rebuilt]:
        """The video, piece by piece, from received symbols and granted channel state alone.

        Args:
            receptions: What arrives, in pieces of any size.
            on_segment: Called with each group of frames as it was received.
        """
        groups = self._clock.during("coding_receive", self._received(receptions, on_segment))
        return self._clock.during("world", Player().play(groups))

    # Transmitter

    def _send(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        each = self._frame_symbols(video.height, video.width, self._config.reals)
        most = max(1, min(self._config.burst_frames, MAX_BURST_SYMBOLS // max(1, each)))
        if not each or each > MAX_BURST_SYMBOLS:
            raise ConfigError(
                f"djscc-rgb cannot send frames of {video.height}x{video.width} at {self._config.reals} reals"
            )
        waiting: list[torch.Tensor] = []
        start = 0
        index = 0
        for frame in frames:
            if len(waiting) == most:
                yield self._burst(index, start, waiting, video, last=False)
                waiting, index = [], index + 1
            start = frame.index if not waiting else start
            waiting.append(self._codec.send(frame.pixels, self._config.reals, self._belief.esn0_db))
        if waiting:
            yield self._burst(index, start, waiting, video, last=True)

    def _burst(
        self, index: int, start: int, coded: list[torch.Tensor], video: VideoFormat, *, last: bool
    ) -> tuple[Segment, Burst]:
        control = FramesControl(**described(video, start, len(coded), last), reals=self._config.reals)
        label = f"{len(coded)} frames of {len(coded[0])} symbols"
        parts = (control.part(self._belief.esn0_db), Part("video", torch.cat(coded), 0, label))
        return control.segment(), Burst(index, parts)

    def _frame_symbols(self, height: int, width: int, reals: int) -> int:
        return self._codec.symbol_count(reals, 0, height, width)

    # Receiver

    def _received(self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None]) -> Iterator[Decoded]:
        """Groups of frames whose control could be read, in order."""

        def heard(control: FramesControl, body: Reception) -> tuple[Segment, Reception]:
            body, erased = erase_bad(body)
            video: PartStatus = "lost" if erased == len(body) else "ok"
            status = {**dict.fromkeys(PARTS, "absent"), "control": "ok", "video": video}
            return control.segment().changed(status=status, erased_symbols=erased), body

        for segment, control, body in bursts_in_order(receptions, self._read_control, heard):
            on_segment(segment)
            yield Decoded(segment, self._frames(control, body))

    def _read_control(self, received: Reception) -> ControlRead[FramesControl] | None:
        """What follows a preamble, as control; ``None`` where it is none."""
        read = FramesControl.read(received)
        if read is None:
            return None
        control, symbols = read
        each = self._frame_symbols(control.height, control.width, control.reals)
        return ControlRead(control, control_symbols=symbols, body_symbols=control.length * each) if each else None

    def _frames(self, control: FramesControl, body: Reception) -> Iterator[tuple[int, Pixels]]:
        """Frames of which anything was heard."""
        each = self._frame_symbols(control.height, control.width, control.reals)
        for place in range(control.length):
            heard = body[place * each : (place + 1) * each]
            picture = self._codec.decode(heard, control.reals, 0, control.height, control.width)
            if picture is not None:
                yield control.start + place, picture
