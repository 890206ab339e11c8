"""The control block of a burst of DVST: which frames, whether a keyframe comes first, and how long each part is.

The same idea as ``control.py`` with other fields, another length and another version, so that no kind of receiver takes
another's bursts for its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

from lgvsc.coding.digital import LADDER, MCS_BITS
from lgvsc.coding.fec import Bits
from lgvsc.coding.fields import Layout, block_bits, pack_fields, unpack_fields
from lgvsc.core.message import Segment
from lgvsc.core.video import MAX_PIXELS, VideoFormat

VERSION = 6

# Name and width in bits of every field, in the order in which they are sent.
LAYOUT: Layout = (
    ("version", 3),
    ("height", 14),
    ("width", 14),
    ("fps_numerator", 18),
    ("fps_denominator", 10),
    ("total_frames", 23),  # 0: not known yet
    ("start", 23),
    ("length", 8),
    ("last", 1),
    ("keyframe_codec", 2),
    ("keyframe_length", 17),  # 0: no keyframe, all frames follow on those of the burst before
    ("keyframe_mode", MCS_BITS),
    ("header_bits", 20),  # 0: nothing but a keyframe
    ("header_mcs", MCS_BITS),
    ("symbols", 22),  # analogue ones
)
DVST_CONTROL_BITS = block_bits(LAYOUT)
MAX_FRAMES = 2**8 - 1
MAX_HEADER_BITS = 2**20 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DvstControl:
    """The fields of :data:`LAYOUT`, each a non-negative integer that fits its width."""

    version: int = VERSION
    height: int
    width: int
    fps_numerator: int
    fps_denominator: int
    total_frames: int
    start: int
    length: int
    last: int
    keyframe_codec: int
    keyframe_length: int
    keyframe_mode: int
    header_bits: int
    header_mcs: int
    symbols: int

    @property
    def following(self) -> int:
        """Frames that are coded against the one before."""
        return self.length - (self.keyframe_length > 0)

    def segment(self) -> Segment:
        """The frames of the burst."""
        fps = Fraction(self.fps_numerator, self.fps_denominator)
        return Segment(
            video=VideoFormat(self.height, self.width, fps, self.total_frames or None),
            start=self.start,
            stop=self.start + self.length,
            last=bool(self.last),
        )


def pack_dvst_control(control: DvstControl) -> Bits:
    """Bits of a control block with its CRC, uint8 0/1, ``(DVST_CONTROL_BITS,)``.

    Raises:
        InputError: A value does not fit its field: the video is larger or longer than the format can say.
    """
    return pack_fields({name: getattr(control, name) for name, _ in LAYOUT}, LAYOUT)


def unpack_dvst_control(bits: Bits) -> DvstControl | None:
    """Read a control block. ``None`` where the CRC fails or the values make no sense together."""
    values = unpack_fields(bits, LAYOUT)
    control = DvstControl(**values) if values else None
    return control if control and _plausible(control) else None


def _plausible(c: DvstControl) -> bool:
    return (
        c.version == VERSION
        and 0 < c.height * c.width <= MAX_PIXELS
        and 0 < c.fps_numerator <= 1000 * c.fps_denominator
        and c.length > 0
        and (c.header_bits > 0) == (c.following > 0)
        and c.header_mcs < len(LADDER)
    )


assert [f.name for f in fields(DvstControl)] == [name for name, _ in LAYOUT]
