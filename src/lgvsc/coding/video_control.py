"""The control block of a conventional burst: every number that the receiver needs to play one group of pictures.

The same idea as ``control.py`` with other fields, another length and another version, so that neither kind of
receiver takes the other's bursts for its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

from lgvsc.coding.digital import LADDER, MCS_BITS, TABLE_1_LADDER, Mcs, mcs_at, symbol_count
from lgvsc.coding.elementary import CODECS
from lgvsc.coding.fec import Bits
from lgvsc.coding.fields import Layout, block_bits, pack_fields, unpack_fields
from lgvsc.core.message import Segment
from lgvsc.core.video import MAX_PIXELS, VideoFormat

VERSION = 4  # 2 numbered another ladder

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
    ("codec", 2),
    ("constant_qp", 1),
    ("eighths", 3),  # of the source's height and width that are coded, minus one
    ("step", 3),  # one frame in so many is coded, as an index into STEPS of video_search.py
    ("payload_bytes", 22),  # 0: nothing but control
    ("mcs", MCS_BITS),
    ("headers_sent", 1),  # else the receiver writes the parameter sets itself ...
    ("header_qp", 7),  # ... for this quantiser, which x264 mentions in them ...
    ("header_check", 8),  # ... and compares them with this sum, as another build may write others
)
VIDEO_CONTROL_BITS = block_bits(LAYOUT)
MAX_PAYLOAD_BYTES = 2**22 - 1
MAX_GOP_FRAMES = 2**10 - 1

PAPER_SCHEMES = TABLE_1_LADDER
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
    return mcs_at(index, payload_bits)


def pack_video_control(control: VideoControl) -> Bits:
    """Bits of a control block with its CRC, uint8 0/1, ``(VIDEO_CONTROL_BITS,)``.

    Raises:
        InputError: A value does not fit its field: the video is larger or longer than the format can say.
    """
    return pack_fields({name: getattr(control, name) for name, _ in LAYOUT}, LAYOUT)


def unpack_video_control(bits: Bits) -> VideoControl | None:
    """Read a control block. ``None`` where the CRC fails or the values make no sense together."""
    values = unpack_fields(bits, LAYOUT)
    control = VideoControl(**values) if values else None
    return control if control and _plausible(control) else None


def _plausible(c: VideoControl) -> bool:
    return (
        c.version == VERSION
        and 0 < c.height * c.width <= MAX_PIXELS
        and 0 < c.fps_numerator <= 1000 * c.fps_denominator
        and c.length > 0
        and c.codec < len(CODECS)
        and c.mcs < len(LADDER) + len(PAPER_SCHEMES)
    )


assert [f.name for f in fields(VideoControl)] == [name for name, _ in LAYOUT]
