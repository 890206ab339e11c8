"""The control stream: every number that the receiver needs to read a burst, in one block of fixed size.

Nothing about a video is known to the receiver in advance. Its size, rate and length, where the frames lie, and how
long each part of the burst is, all travel here, under the strongest code of the burst, and are charged.

A layout is a subclass of :class:`Control`: fields in the order in which they are sent, each with its width in bits
beside it. No two layouts share version and length, so no kind of receiver takes another's bursts for its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, ClassVar, Self, get_type_hints

import torch
from torch import Tensor

from lgvsc.coding.burst.control_block import control_symbols, decode_control, encode_control
from lgvsc.coding.burst.fields import Layout, block_bits, pack_fields, unpack_fields
from lgvsc.coding.burst.framing import PREAMBLE
from lgvsc.coding.frames.elementary import CODECS
from lgvsc.coding.modem.digital import LADDER, MCS_BITS, TABLE_1_LADDER, mcs_at, symbol_count
from lgvsc.coding.modem.fec import Bits
from lgvsc.core.air import Part, Reception
from lgvsc.core.interfaces import PictureHeader
from lgvsc.core.message import LOOKS, Segment
from lgvsc.core.video import MAX_PIXELS, VideoFormat

VERSION_BITS = 3


@dataclass(frozen=True, kw_only=True)
class Control:
    """What every layout begins with. Each field is a non-negative integer that fits the bits beside it."""

    version: ClassVar[int]

    height: Annotated[int, 14]
    width: Annotated[int, 14]
    fps_numerator: Annotated[int, 18]
    fps_denominator: Annotated[int, 10]
    total_frames: Annotated[int, 23]  # 0: not known yet
    start: Annotated[int, 23]
    length: Annotated[int, 10]
    last: Annotated[int, 1]

    @classmethod
    def layout(cls) -> Layout:
        """Name and width in bits of every field, in the order in which they are sent, the version first."""
        return _layout(cls)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are

    @classmethod
    def block_bits(cls) -> int:
        """Length of the block, its CRC included."""
        return block_bits(cls.layout())

    @classmethod
    def most(cls, name: str) -> int:
        """The largest value of a field."""
        return 2 ** dict(cls.layout())[name] - 1

    @classmethod
    def head_symbols(cls, snr_db: float, insured_db: float = 0.0) -> int:
        """Symbols of preamble and control block at an Es/N0 that the transmitter believes, or that may be lower."""
        return len(PREAMBLE) + control_symbols(cls.block_bits(), snr_db, insured_db)

    @property
    def video(self) -> VideoFormat:
        fps = Fraction(self.fps_numerator, self.fps_denominator)
        return VideoFormat(self.height, self.width, fps, self.total_frames or None)

    def segment(self) -> Segment:
        """The frames of the burst, as far as control alone tells."""
        return Segment(video=self.video, start=self.start, stop=self.start + self.length, last=bool(self.last))

    def plausible(self) -> bool:
        """Whether the values make sense together."""
        return (
            0 < self.height * self.width <= MAX_PIXELS
            and 0 < self.fps_numerator <= 1000 * self.fps_denominator
            and self.length > 0
        )

    def pack(self) -> Bits:
        """Bits of the block with its CRC, uint8 0/1, ``(block_bits(),)``.

        Raises:
            InputError: A value does not fit its field: the video is larger or longer than the format can say.
        """
        return pack_fields({"version": self.version, **vars(self)}, self.layout())

    @classmethod
    def unpack(cls, bits: Bits) -> Self | None:
        """Read a block. ``None`` where the CRC fails, the version is another or the values make no sense together."""
        values = unpack_fields(bits, cls.layout())
        if not values or values.pop("version") != cls.version:
            return None
        control = cls(**values)
        return control if control.plausible() else None

    @classmethod
    def read(cls, received: Reception) -> tuple[Self, int] | None:
        """The block that a reception begins with, after the preamble, and how many symbols it took."""
        read = decode_control(received, cls.block_bits())
        control = cls.unpack(read[0]) if read else None
        return (control, read[1]) if read and control else None

    def part(self, snr_db: float, insured_db: float = 0.0) -> Part:
        """Preamble and control block as the first part of a burst."""
        return Part("control", torch.cat([PREAMBLE, self.encode(snr_db, insured_db)]), self.block_bits())

    def encode(self, snr_db: float, insured_db: float = 0.0) -> Tensor:
        """The block as complex64 symbols, for an Es/N0 that the transmitter believes, or that may be so much lower."""
        return encode_control(self.pack(), snr_db, insured_db)


@cache
def _layout(cls: Any) -> Layout:
    widths = get_type_hints(cls, include_extras=True)
    return ("version", VERSION_BITS), *((field.name, widths[field.name].__metadata__[0]) for field in fields(cls))


def described(video: VideoFormat, start: int, length: int, last: bool) -> dict[str, int]:
    """Values of the fields that every layout begins with."""
    return {
        "height": video.height,
        "width": video.width,
        "fps_numerator": video.fps.numerator,
        "fps_denominator": video.fps.denominator,
        "total_frames": video.frames or 0,
        "start": start,
        "length": length,
        "last": int(last),
    }


@dataclass(frozen=True, kw_only=True)
class MessageControl(Control):
    """A segment of a semantic message. A part that is not sent has zeros."""

    version: ClassVar[int] = 0  # 1 had modes of 4 bits, 3 knew no colours
    shorter: ClassVar[tuple[type[MessageControl], ...]] = ()
    """Layouts that say the same where some fields are zero, which have no bits there; the shortest first."""

    cut: Annotated[int, 10] = 0  # frames from start to the new shot; 0: no cut
    caption_bits: Annotated[int, 13] = 0
    caption_mcs: Annotated[int, MCS_BITS] = 0
    side: Annotated[int, 2] = 0  # of what: 1 motion, 2 colours, 3 both
    side_mcs: Annotated[int, MCS_BITS] = 0
    keyframe_codec: Annotated[int, 2] = 0
    keyframe_length: Annotated[int, 17] = 0
    keyframe_mode: Annotated[int, MCS_BITS] = 0
    closing_codec: Annotated[int, 2] = 0
    closing_length: Annotated[int, 17] = 0
    closing_mode: Annotated[int, MCS_BITS] = 0

    @classmethod
    def saying(cls, **values: int) -> MessageControl:
        """These values in this layout, or in the shortest one that can say them."""
        for layout in cls.shorter:
            if not any(values.get(name) for name, width in layout.layout() if width == 0):
                return layout(**values)
        return cls(**values)

    @property
    def advised_look(self) -> float | None:
        """From 0 (faithful) to 1 (vivid), where the transmitter says how the segment should be shown."""
        return None

    def segment(self) -> Segment:
        """The segment as far as control alone tells it."""
        return Control.segment(self).changed(cut=self.start + self.cut if self.cut else None)

    def plausible(self) -> bool:
        return Control.plausible(self) and self.cut <= self.length


@dataclass(frozen=True, kw_only=True)
class AdvisedControl(MessageControl):
    """A segment whose keyframes should be shown in another look than the faithful one."""

    look: Annotated[int, 2] = 0  # a place in LOOKS

    @property
    def advised_look(self) -> float | None:
        return LOOKS[self.look]


@dataclass(frozen=True, kw_only=True)
class VideoControl(Control):
    """A group of pictures of a standard video codec."""

    version: ClassVar[int] = 4  # 2 numbered another ladder

    codec: Annotated[int, 2]
    constant_qp: Annotated[int, 1]
    eighths: Annotated[int, 3]  # of the source's height and width that are coded, minus one
    step: Annotated[int, 3]  # one frame in so many is coded, as an index into STEPS of video_search.py
    payload_bytes: Annotated[int, 22]  # 0: nothing but control
    mcs: Annotated[int, MCS_BITS]
    headers_sent: Annotated[int, 1]  # else the receiver writes the parameter sets itself ...
    header_qp: Annotated[int, 7]  # ... for this quantiser, which x264 mentions in them ...
    header_check: Annotated[int, 8]  # ... and compares them with this sum, as another build may write others

    @property
    def body_symbols(self) -> int:
        """Symbols that follow the control block."""
        bits = 8 * self.payload_bytes
        return symbol_count(bits, mcs_at(self.mcs, bits)) if bits else 0

    def plausible(self) -> bool:
        return Control.plausible(self) and self.codec < len(CODECS) and self.mcs < len(LADDER) + len(TABLE_1_LADDER)


@dataclass(frozen=True, kw_only=True)
class FramesControl(Control):
    """Frames that are coded one by one, equally many symbols each."""

    version: ClassVar[int] = 5

    length: Annotated[int, 8]
    reals: Annotated[int, 6]  # for each place of the codec's grid

    def plausible(self) -> bool:
        return Control.plausible(self) and self.reals > 0


@dataclass(frozen=True, kw_only=True)
class DvstControl(Control):
    """Frames of DVST: whether a keyframe comes first, and how long each part is."""

    version: ClassVar[int] = 6

    length: Annotated[int, 8]
    keyframe_codec: Annotated[int, 2]
    keyframe_length: Annotated[int, 17]  # 0: no keyframe, all frames follow on those of the burst before
    keyframe_mode: Annotated[int, MCS_BITS]
    header_bits: Annotated[int, 20]  # 0: nothing but a keyframe
    header_mcs: Annotated[int, MCS_BITS]
    symbols: Annotated[int, 22]  # analogue ones

    @property
    def keyframe(self) -> PictureHeader:
        """What is announced of the keyframe."""
        return PictureHeader(self.keyframe_codec, self.keyframe_length, self.keyframe_mode)

    @property
    def following(self) -> int:
        """Frames that are coded against the one before."""
        return self.length - (self.keyframe_length > 0)

    def plausible(self) -> bool:
        return (
            Control.plausible(self) and (self.header_bits > 0) == (self.following > 0) and self.header_mcs < len(LADDER)
        )
