"""DVST, LGVSC's and GVSC's learned baseline: keyframes by NTSCC, every other frame against the one before it.

One burst for a GOP, or for a part of a long one: preamble, control block, the keyframe, the rates of all frames over
the digital link, and their analogue symbols. The transmitter goes on from what it reckons that the receiver has. What
noise adds there stays until the next keyframe, which is the price of sending differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from lgvsc.channel.common import erase_bad
from lgvsc.coding.belief import Belief
from lgvsc.coding.budget import MAX_KEYFRAME_CBR, Budget
from lgvsc.coding.burst.control import DvstControl, described
from lgvsc.coding.burst.framing import ControlRead
from lgvsc.coding.frames.dvst import CodedDifferences, DvstCodec
from lgvsc.coding.modem.digital import decode_bits, encode_bits, mcs_at, symbol_count
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Burst, Part, Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.interfaces import CodedPicture, Rebuilt
from lgvsc.core.message import PARTS, PartStatus, Segment
from lgvsc.core.video import Frame, Pixels, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.schemes.bursts_in_order import bursts_in_order
from lgvsc.schemes.player import Decoded, Player

MAX_FRAMES = DvstControl.most("length")  # of a burst
MAX_BURST_BYTES = 64 << 20  # of pictures that the transmitter holds at once
UNKNOWN_GOP = 240  # frames over which the first keyframe's cost is spread where neither GOP nor video has an end
TYPICAL_BITS = 2000  # fixes the spectral efficiency by which a budget in bit/s becomes symbols
HEADER_BITS_PER_ENTRY = 3.0  # of both rate maps, before any was coded
CLOSE = 0.975  # of the budget: a burst that spends less is coded once more


@dataclass(frozen=True, slots=True, kw_only=True)
class DvstSchemeConfig:
    """How frames are sent. The papers' lambda is an option of ``lgvsc train dvst``.

    Attributes:
        gop_frames: From one keyframe to the next; 0: only the first frame is one.
        eta: Reals for each bit of information, 0.2 in LGVSC, within the budget; 0: as many as the budget allows.
        budget: Limit on all symbols, for example ``"0.004cbr"``, which LGVSC and GVSC both have.
        keyframe_weight: How many times the symbols of another frame a keyframe gets.
        burst_frames: Frames that share a control block, at most.
    """

    gop_frames: int = 12
    eta: float = 0.0
    budget: str = "0.004cbr"
    keyframe_weight: float = 8.0
    burst_frames: int = 48

    def __post_init__(self) -> None:
        if self.gop_frames < 0:
            raise ConfigError(f"dvst.gop_frames is {self.gop_frames}; it is 0, for one keyframe only, or more")
        if not 0 <= self.eta < 100:
            raise ConfigError(f"dvst.eta is {self.eta}; give 0.2 as in LGVSC, or 0 to fill the budget")
        if not self.keyframe_weight > 0:
            raise ConfigError(f"dvst.keyframe_weight is {self.keyframe_weight}; it must be positive")
        if not 1 <= self.burst_frames <= MAX_FRAMES:
            raise ConfigError(f"dvst.burst_frames is {self.burst_frames}; control carries 1 to {MAX_FRAMES}")
        Budget.parse(self.budget)

    def in_words(self) -> str:
        """What the scheme goes by."""
        keyframes = f"a keyframe every {self.gop_frames} frames" if self.gop_frames else "one keyframe"
        reals = f", {self.eta:g} reals for each bit of information at most" if self.eta else ""
        return f"budget {self.budget}, {keyframes}{reals}"


class DvstScheme:
    """Both ends of the link. The receiver's half uses the two codecs and nothing else.

    Args:
        roads: How keyframes are sent; the same at both ends.
        codec: How all other frames are sent; the same at both ends.
        belief: What the transmitter believes of the channel.
        config: See :class:`DvstSchemeConfig`.
        clock: Counts the seconds of each stage.
    """

    name = "dvst"

    def __init__(
        self,
        roads: PictureRoads,
        codec: DvstCodec,
        belief: Belief,
        config: DvstSchemeConfig,
        clock: Stopwatch | None = None,
    ) -> None:
        self._roads, self._codec, self._belief, self._config = roads, codec, belief, config
        self._clock = clock or Stopwatch()

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """One burst for each GOP, or for each part of a long one."""
        sender = _Sender(self._roads, self._codec, self._belief, self._config, video)
        return self._clock.during("coding_send", sender.send(frames))

    def reconstruct(
        self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None] = lambda _: None
    ) -> Iterator[Rebuilt]:
        """The video, piece by piece, from received symbols and granted channel state alone.

        Args:
            receptions: What arrives, in pieces of any size.
            on_segment: Called with each group of frames as it was received.
        """
        groups = self._clock.during(
            "coding_receive", _Receiver(self._roads, self._codec).groups(receptions, on_segment)
        )
        return self._clock.during("world", Player().play(groups))


# Transmitter


class _Sender:
    """What the transmitter remembers from burst to burst: the picture at the far end, as reckoned, and the account."""

    def __init__(
        self, roads: PictureRoads, codec: DvstCodec, belief: Belief, config: DvstSchemeConfig, video: VideoFormat
    ) -> None:
        self._roads, self._codec, self._belief, self._config, self._video = roads, codec, belief, config, video
        self._head_symbols = belief.head_symbols(DvstControl)
        self._per_frame = belief.symbols_per_frame(config.budget, video, TYPICAL_BITS, "video")
        self._expected: Pixels | None = None
        self._header_symbols = 0.0  # for each frame that is not a keyframe, as in the burst before
        self._left = 0.0  # of the GOP's budget
        self._frames_left = 0  # of the GOP, as far as is known

    def send(self, frames: Iterable[Frame]) -> Iterator[tuple[Segment, Burst]]:
        longest = max(
            1, min(self._config.burst_frames, MAX_BURST_BYTES // (3 * self._video.height * self._video.width))
        )
        waiting: list[Frame] = []
        index, in_gop = 0, 0
        for frame in frames:
            ends_gop = self._config.gop_frames and in_gop + len(waiting) == self._config.gop_frames
            if waiting and (len(waiting) == longest or ends_gop):
                yield self._burst(index, waiting, keyframe=in_gop == 0, last=False)
                in_gop = 0 if ends_gop else in_gop + len(waiting)
                waiting, index = [], index + 1
            waiting.append(frame)
        if waiting:
            yield self._burst(index, waiting, keyframe=in_gop == 0, last=True)

    def _burst(self, index: int, frames: list[Frame], *, keyframe: bool, last: bool) -> tuple[Segment, Burst]:
        if keyframe:
            self._open_gop(frames[0].index)
        room = self._left - self._head_symbols
        coded = self._keyframe(frames[0].pixels, room) if keyframe else None
        if coded is not None:
            self._left -= len(coded.symbols)
        following = [frame.pixels for frame in frames[keyframe:]]
        share = len(following) / max(1, self._frames_left - keyframe)
        differences = self._differences(following, share * self._left - self._head_symbols) if following else None
        header_mcs = self._belief.mcs(len(differences.header), "keyframes") if differences else mcs_at(0, 8)
        control = DvstControl(
            **described(self._video, frames[0].index, len(frames), last),
            keyframe_codec=coded.codec if coded else 0,
            keyframe_length=coded.length if coded else 0,
            keyframe_mode=coded.mode if coded else 0,
            header_bits=len(differences.header) if differences else 0,
            header_mcs=header_mcs.index,
            symbols=len(differences.symbols) if differences else 0,
        )
        parts = [control.part(self._belief.esn0_db)]
        if coded is not None:
            parts.append(Part("keyframes", coded.symbols, coded.payload_bits, "keyframe"))
        if differences is not None:
            header = encode_bits(differences.header, header_mcs)
            parts.append(Part("side", header, len(differences.header), "rate maps"))
            parts.append(Part("video", differences.symbols, 0, f"{len(following)} frames"))
            self._left -= len(header) + len(differences.symbols)
            self._expected = differences.expected[-1]
        self._left -= self._head_symbols
        self._frames_left -= len(frames)
        picture = frames[0].pixels if coded is not None else None
        return control.segment().changed(keyframe=picture), Burst(index, tuple(parts))

    def _open_gop(self, start: int) -> None:
        """A GOP's own budget, and what the one before left over or took too much."""
        after = self._video.frames - start if self._video.frames else UNKNOWN_GOP
        self._frames_left = max(1, min(self._config.gop_frames or after, after))
        self._left += self._per_frame * self._frames_left

    def _keyframe(self, picture: Pixels, room: float) -> CodedPicture:
        weight, height, width = self._config.keyframe_weight, self._video.height, self._video.width
        share = room * weight / (weight + self._frames_left - 1)
        most = int(min(share, MAX_KEYFRAME_CBR * 3 * height * width))
        coded = self._roads.encode(picture, max_symbols=max(1, most), snr_db=self._belief.esn0_db)
        self._expected = coded.expected
        if self._expected is None:  # decoded as it was sent: what a receiver has but for its noise
            quiet = torch.full((len(coded.symbols),), 10 ** (-self._belief.esn0_db / 10))
            self._expected = self._roads.decode(Reception(coded.symbols, quiet), coded.header, height, width)
        if self._expected is None:
            raise ConfigError(
                f"a keyframe in {most} symbols cannot be read at {self._belief.esn0_db:g} dB; raise dvst.budget"
            )
        return coded

    def _differences(self, frames: list[Pixels], room: float) -> CodedDifferences:
        """Frames within a number of symbols, header included: its size is known only after they are coded."""
        height, width = self._video.height, self._video.width
        assert self._expected is not None
        entries = -(-height // 32) * -(-width // 32)
        header_symbols = len(frames) * self._header_symbols
        if not header_symbols:
            bits = max(8, round(HEADER_BITS_PER_ENTRY * entries * len(frames)))
            header_symbols = self._belief.symbols(bits, "keyframes")
        for _ in range(3):
            coded = self._codec.encode(
                frames,
                self._expected,
                max_symbols=max(0, int(room - header_symbols)),
                snr_db=self._belief.esn0_db,
                eta=self._config.eta or None,
            )
            bits, guessed = len(coded.header), header_symbols
            header_symbols = self._belief.symbols(bits, "keyframes")
            too_much = len(coded.symbols) + header_symbols - room
            if too_much <= 0 and (self._config.eta or guessed - header_symbols < (1 - CLOSE) * room):
                break
            header_symbols += max(0, round(too_much)) // 8  # it may well grow again
        self._header_symbols = header_symbols / len(frames)
        return coded


# Receiver


class _Receiver:
    """What the receiver remembers from burst to burst: the last picture, against which the next one is coded."""

    def __init__(self, roads: PictureRoads, codec: DvstCodec) -> None:
        self._roads, self._codec = roads, codec
        self._shown: Pixels | None = None

    def groups(self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None]) -> Iterator[Decoded]:
        """Groups of frames whose control could be read, in order."""
        arrived = bursts_in_order(receptions, self._read_control, lambda control, body: (control.segment(), body))
        for segment, control, received in arrived:
            body, erased = erase_bad(received)
            status: dict[str, PartStatus] = dict.fromkeys(PARTS, "absent")
            frames, lost = self._frames(control, body)
            status |= {"control": "ok"}
            if control.keyframe_length:
                status["keyframe"] = "lost" if "keyframe" in lost else "ok"
            if control.following:
                status |= {part: "lost" if part in lost else "ok" for part in ("side", "video")}
            keyframe = frames[0][1] if control.keyframe_length and "keyframe" not in lost else None
            heard = segment.changed(status=status, erased_symbols=erased, keyframe=keyframe)
            on_segment(heard)
            yield Decoded(heard, iter(frames))

    def _read_control(self, received: Reception) -> ControlRead[DvstControl] | None:
        """What follows a preamble, as control; ``None`` where it is none."""
        read = DvstControl.read(received)
        if read is None:
            return None
        control, symbols = read
        keyframe, header = self._sizes(control)
        if control.keyframe_length and not keyframe:
            return None
        return ControlRead(control, control_symbols=symbols, body_symbols=keyframe + header + control.symbols)

    def _sizes(self, c: DvstControl) -> tuple[int, int]:
        """Symbols of the keyframe and of the header."""
        keyframe = self._roads.symbol_count(c.keyframe, c.height, c.width)
        return keyframe, symbol_count(c.header_bits, mcs_at(c.header_mcs, c.header_bits)) if c.header_bits else 0

    def _frames(self, c: DvstControl, body: Reception) -> tuple[list[tuple[int, Pixels]], set[str]]:
        """Frames of which there is a picture, and which parts were lost.

        A GOP whose keyframe is lost is not shown: its differences belong to a picture that nobody here has seen.
        """
        keyframe_symbols, header_symbols = self._sizes(c)
        frames: list[tuple[int, Pixels]] = []
        if c.keyframe_length:
            self._shown = self._roads.decode(body[:keyframe_symbols], c.keyframe, c.height, c.width)
            if self._shown is None:
                return [], {"keyframe", "side", "video"}
            frames.append((c.start, self._shown))
        if not c.following:
            return frames, set()
        if self._shown is None or self._shown.shape[:2] != (c.height, c.width):
            return frames, {"side", "video"}
        heard = body[keyframe_symbols : keyframe_symbols + header_symbols]
        header = decode_bits(heard, c.header_bits, mcs_at(c.header_mcs, c.header_bits))
        if header is None or self._codec.symbol_count(header, c.following, c.height, c.width) != c.symbols:
            return frames, {"side", "video"}
        symbols = body[keyframe_symbols + header_symbols :]
        made = self._codec.decode(symbols, header, self._shown, c.following, c.height, c.width)
        lost = {"video"} if c.symbols and not bool(symbols.noise_variance.isfinite().any()) else set[str]()
        for place, picture in enumerate(made, c.length - c.following):
            if picture is not self._shown:  # else nothing was heard of it
                frames.append((c.start + place, picture))
            self._shown = picture
        return frames, lost
