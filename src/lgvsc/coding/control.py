"""The control stream: every number that the receiver needs to read a burst, in one block of fixed size.

Nothing about a video is known to the receiver in advance. Its size, rate and length, where the segment lies, and
how long each part of the burst is, all travel here, under the strongest code of the burst, and are charged.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lgvsc.coding.digital import MCS_BITS
from lgvsc.coding.fields import Layout, block_bits, pack_fields, unpack_fields
from lgvsc.core.message import Segment
from lgvsc.core.video import MAX_PIXELS, VideoFormat

VERSION = 3  # 1 had modes of 4 bits

# Name and width in bits of every field, in the order in which they are sent.
LAYOUT: Layout = (
    ("version", 3),
    ("height", 14),
    ("width", 14),
    ("fps_numerator", 18),
    ("fps_denominator", 10),
    ("total_frames", 23),  # 0: not known yet
    ("start", 23),
    ("length", 10),
    ("last", 1),
    ("cut", 10),  # frames from start to the new shot; 0: no cut
    ("caption_bits", 13),  # 0: no caption
    ("caption_mcs", MCS_BITS),
    ("side_sent", 1),
    ("side_mcs", MCS_BITS),
    ("keyframe_codec", 2),
    ("keyframe_length", 17),  # 0: no keyframe
    ("keyframe_mode", MCS_BITS),
    ("closing_codec", 2),
    ("closing_length", 17),  # 0: no closing keyframe
    ("closing_mode", MCS_BITS),
)
CONTROL_BITS = block_bits(LAYOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
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
    cut: int
    caption_bits: int
    caption_mcs: int
    side_sent: int
    side_mcs: int
    keyframe_codec: int
    keyframe_length: int
    keyframe_mode: int
    closing_codec: int
    closing_length: int
    closing_mode: int

    @property
    def video(self) -> VideoFormat:
        fps = Fraction(self.fps_numerator, self.fps_denominator)
        return VideoFormat(self.height, self.width, fps, self.total_frames or None)

    def segment(self) -> Segment:
        """The segment as far as control alone tells it."""
        return Segment(
            video=self.video,
            start=self.start,
            stop=self.start + self.length,
            cut=self.start + self.cut if self.cut else None,
            last=bool(self.last),
        )


def pack_control(control: Control) -> NDArray[np.uint8]:
    """Bits of a control block with its CRC, uint8 0/1, ``(CONTROL_BITS,)``.

    Raises:
        InputError: A value does not fit its field: the video is larger or longer than the format can say.
    """
    return pack_fields({name: getattr(control, name) for name, _ in LAYOUT}, LAYOUT)


def unpack_control(bits: NDArray[np.uint8]) -> Control | None:
    """Read a control block. ``None`` where the CRC fails or the values make no sense together."""
    values = unpack_fields(bits, LAYOUT)
    control = Control(**values) if values else None
    return control if control and _plausible(control) else None


def _plausible(c: Control) -> bool:
    return (
        c.version == VERSION
        and 0 < c.height * c.width <= MAX_PIXELS
        and 0 < c.fps_numerator <= 1000 * c.fps_denominator
        and c.length > 0
        and c.cut <= c.length
    )


assert [f.name for f in fields(Control)] == [name for name, _ in LAYOUT]
