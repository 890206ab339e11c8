"""The control block of a conventional burst: every number that the receiver needs to play one group of pictures.

The same idea as ``control.py`` with other fields, another length and another version, so that neither kind of
receiver takes the other's bursts for its own.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np

from lgvsc.coding.digital import LADDER, Mcs, mcs_at, symbol_count
from lgvsc.coding.elementary import CODECS
from lgvsc.coding.fec import Bits
from lgvsc.core.message import Segment
from lgvsc.core.video import MAX_PIXELS, VideoFormat
from lgvsc.errors import InputError

VERSION = 2

# Name and width in bits of every field, in the order in which they are sent.
LAYOUT: tuple[tuple[str, int], ...] = (
    ("version", 3),
    ("height", 14),
    ("width", 14),
    ("fps_numerator", 18),
    ("fps_denominator", 10),
    ("total_frames", 23),  # 0: not known yet
    ("start", 23),
    ("length", 10),
    ("last", 1),
    ("codec", 2),
    ("constant_qp", 1),
    ("eighths", 3),  # of the source's height and width that are coded, minus one
    ("step", 3),  # one frame in so many is coded, minus one
    ("payload_bytes", 22),  # 0: nothing but control
    ("mcs", 5),
    ("headers_sent", 1),  # else the receiver writes the parameter sets itself ...
    ("header_qp", 7),  # ... for this quantiser, which x264 mentions in them ...
    ("header_check", 8),  # ... and compares them with this sum, as another build may write others
)
CRC_BITS = 16
VIDEO_CONTROL_BITS = sum(width for _, width in LAYOUT) + CRC_BITS
MAX_PAYLOAD_BYTES = 2**22 - 1
MAX_GOP_FRAMES = 2**10 - 1

PAPER_SCHEMES: tuple[tuple[int, float], ...] = ((4, 3 / 4), (2, 3 / 4), (4, 1 / 2), (4, 2 / 3))
"""Modulation and code rate of LGVSC's Table I, numbered on the air after the entries of the ladder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoControl:
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
    codec: int
    constant_qp: int
    eighths: int
    step: int
    payload_bytes: int
    mcs: int
    headers_sent: int
    header_qp: int
    header_check: int

    @property
    def body_symbols(self) -> int:
        """Symbols that follow the control block."""
        if not self.payload_bytes:
            return 0
        return symbol_count(8 * self.payload_bytes, video_mcs(self.mcs, 8 * self.payload_bytes))

    def segment(self) -> Segment:
        """The group of pictures as far as control alone tells it."""
        fps = Fraction(self.fps_numerator, self.fps_denominator)
        return Segment(
            video=VideoFormat(self.height, self.width, fps, self.total_frames or None),
            start=self.start,
            stop=self.start + self.length,
            last=bool(self.last),
        )


def video_mcs(index: int, payload_bits: int) -> Mcs:
    """The scheme that number ``index`` names: an entry of the ladder, or one of Table I's after them."""
    if index < len(LADDER):
        return mcs_at(index, payload_bits)
    bits_per_symbol, code_rate = PAPER_SCHEMES[index - len(LADDER)]
    return Mcs(index, "ldpc", bits_per_symbol, code_rate)


def pack_video_control(control: VideoControl) -> Bits:
    """Bits of a control block with its CRC, uint8 0/1, ``(VIDEO_CONTROL_BITS,)``.

    Raises:
        InputError: A value does not fit its field: the video is larger or longer than the format can say.
    """
    block = 0
    for name, width in LAYOUT:
        value = getattr(control, name)
        if not 0 <= value < 1 << width:
            raise InputError(f"{name.replace('_', ' ')} is {value}, but control carries at most {2**width - 1}")
        block = block << width | value
    block = block << CRC_BITS | _crc(block)
    return np.array([block >> i & 1 for i in reversed(range(VIDEO_CONTROL_BITS))], dtype=np.uint8)


def unpack_video_control(bits: Bits) -> VideoControl | None:
    """Read a control block. ``None`` where the CRC fails or the values make no sense together."""
    if len(bits) != VIDEO_CONTROL_BITS:
        return None
    block = int("".join("1" if bit else "0" for bit in bits), 2)
    block, crc = block >> CRC_BITS, block & (1 << CRC_BITS) - 1
    if crc != _crc(block):
        return None
    values: dict[str, int] = {}
    for name, width in reversed(LAYOUT):
        values[name] = block & (1 << width) - 1
        block >>= width
    control = VideoControl(**values)
    return control if _plausible(control) else None


def _plausible(c: VideoControl) -> bool:
    return (
        c.version == VERSION
        and 0 < c.height * c.width <= MAX_PIXELS
        and 0 < c.fps_numerator <= 1000 * c.fps_denominator
        and c.length > 0
        and c.codec < len(CODECS)
        and c.mcs < len(LADDER) + len(PAPER_SCHEMES)
    )


def _crc(block: int) -> int:
    """CRC-32 of the fields, folded to 16 bits."""
    crc = zlib.crc32(block.to_bytes((VIDEO_CONTROL_BITS + 7) // 8, "big"))
    return (crc ^ crc >> 16) & 0xFFFF


assert [f.name for f in fields(VideoControl)] == [name for name, _ in LAYOUT]
