"""The control stream: every number that the receiver needs to read a burst, in one block of fixed size.

Nothing about a video is known to the receiver in advance. Its size, rate and length, where the segment lies, and
how long each part of the burst is, all travel here, under the strongest code of the burst, and are charged.

There are two layouts. A segment with sketches takes the longer one; a receiver tries both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lgvsc.coding.control_block import decode_control
from lgvsc.coding.digital import MCS_BITS
from lgvsc.coding.fields import Layout, block_bits, pack_fields, unpack_fields
from lgvsc.core.air import Reception
from lgvsc.core.message import Segment
from lgvsc.core.video import MAX_PIXELS, VideoFormat

VERSION = 0  # 1 had modes of 4 bits, 3 knew no colours
SKETCH_VERSION = 7  # 4, 5 and 6 are the control of other schemes

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
    ("side", 2),  # of what: 1 motion, 2 colours, 3 both
    ("side_mcs", MCS_BITS),
    ("keyframe_codec", 2),
    ("keyframe_length", 17),  # 0: no keyframe
    ("keyframe_mode", MCS_BITS),
    ("closing_codec", 2),
    ("closing_length", 17),  # 0: no closing keyframe
    ("closing_mode", MCS_BITS),
)
CONTROL_BITS = block_bits(LAYOUT)

SKETCH_LAYOUT: Layout = (
    *LAYOUT,
    ("sketches", 7),  # how many frames have one
    ("sketch_spacing", 10),  # frames from one to the next, the first being that of frame ``start``
    ("sketch_header_bits", 13),  # of the sketches after the first; 0: there is no other
    ("sketch_header_mcs", MCS_BITS),
    ("sketch_symbols", 17),  # analogue symbols of the sketches after the first
)
SKETCH_CONTROL_BITS = block_bits(SKETCH_LAYOUT)
MAX_SKETCHES = 2**7 - 1
MAX_SKETCH_HEADER_BITS = 2**13 - 1
MAX_SKETCH_SYMBOLS = 2**17 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The fields of :data:`SKETCH_LAYOUT`, each a non-negative integer that fits its width."""

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
    side: int
    side_mcs: int
    keyframe_codec: int
    keyframe_length: int
    keyframe_mode: int
    closing_codec: int
    closing_length: int
    closing_mode: int
    sketches: int = 0
    sketch_spacing: int = 0
    sketch_header_bits: int = 0
    sketch_header_mcs: int = 0
    sketch_symbols: int = 0

    @property
    def bits(self) -> int:
        """Length of the block that carries it."""
        return SKETCH_CONTROL_BITS if self.version == SKETCH_VERSION else CONTROL_BITS

    @property
    def sketch_indices(self) -> list[int]:
        """Frames that have a sketch, in order."""
        return [self.start + place * self.sketch_spacing for place in range(self.sketches)]

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
    """Bits of a control block with its CRC, uint8 0/1, ``(control.bits,)``.

    Raises:
        InputError: A value does not fit its field: the video is larger or longer than the format can say.
    """
    layout = SKETCH_LAYOUT if control.version == SKETCH_VERSION else LAYOUT
    return pack_fields({name: getattr(control, name) for name, _ in layout}, layout)


def unpack_control(bits: NDArray[np.uint8]) -> Control | None:
    """Read a control block. ``None`` where the CRC fails or the values make no sense together."""
    values = unpack_fields(bits, SKETCH_LAYOUT if len(bits) == SKETCH_CONTROL_BITS else LAYOUT)
    control = Control(**values) if values else None
    return control if control and control.bits == len(bits) and _plausible(control) else None


def read_control(received: Reception) -> tuple[Control, int] | None:
    """The control block that a reception begins with, in either layout, and how many symbols it took.

    Args:
        received: What follows a preamble.
    """
    for payload_bits in (CONTROL_BITS, SKETCH_CONTROL_BITS):
        read = decode_control(received, payload_bits)
        control = unpack_control(read[0]) if read else None
        if read is not None and control is not None:
            return control, read[1]
    return None


def _plausible(c: Control) -> bool:
    return (
        c.version in (VERSION, SKETCH_VERSION)
        and 0 < c.height * c.width <= MAX_PIXELS
        and 0 < c.fps_numerator <= 1000 * c.fps_denominator
        and c.length > 0
        and c.cut <= c.length
        and (c.version == VERSION or _plausible_sketches(c))
    )


def _plausible_sketches(c: Control) -> bool:
    """Whether there are sketches, at frames of the segment."""
    several = c.sketches > 1
    return (
        c.sketches > 0
        and several == (c.sketch_spacing > 0) == (c.sketch_header_bits > 0)
        and (c.sketches - 1) * c.sketch_spacing < c.length
        and (several or c.sketch_symbols == 0)
    )


assert [f.name for f in fields(Control)] == [name for name, _ in SKETCH_LAYOUT]
