"""What every packet says of itself: 13 to 20 bytes in front, and a CRC of two behind.

Any packet may be the only one that arrives, so each tells the size, rate and length of the video and where its segment
lies. Numbers take as many bits as the largest of their kind needs::

    1011 version:4  stream:16  part:2 (3 in version 2) keyframe:1 closing:1 last:1  height:14 width:14
    rate:4 [numerator:24 denominator:24]  digits:5 frames start length  digits:4 index count-1
    zeros up to a byte  payload  crc:16

Packets of a segment that has a structure layer have version 2, all others version 1.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias, get_args

from lgvsc.core.video import MAX_PIXELS, VideoFormat
from lgvsc.errors import InputError

PacketPart: TypeAlias = Literal["words", "keyframe", "closing_keyframe", "end", "structure"]

PACKET_PARTS: tuple[PacketPart, ...] = get_args(PacketPart)
MAGIC, VERSION = 0b1011, 1
STRUCTURE_VERSION = 2  # of the packets of a segment with a structure layer; their part has a bit more
CRC_BYTES = 2
MAX_LENGTH_BITS = 12  # of the frames of a segment
MAX_FRAMES_BITS = 24
_RATES = (24, 25, 30, 50, 60, 10, 12, 15, 20, 48, 120, 5)  # frames per second, by their code
RATES = (*map(Fraction, _RATES), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001))
_OTHER_RATE = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketHeader:
    """The fields of a packet.

    Attributes:
        stream: Tells one transmission from another, 16 bits.
        video: Size, rate and, where the transmitter knows, length.
        start, length: The segment's frames ``[start, start + length)``. In a packet that ends the stream, its length
            in frames, and 0.
        last: The video ends with this segment.
        keyframe_sent, closing_sent: Which pictures the segment has.
        part: What the payload is a fragment of.
        structure_sent: Whether the segment has a structure layer.
        index, count: Which fragment, of how many; from ``count`` on they are extra ones.
    """

    stream: int
    video: VideoFormat
    start: int
    length: int
    last: bool
    keyframe_sent: bool
    closing_sent: bool
    part: PacketPart
    index: int
    count: int
    structure_sent: bool = False

    def packed(self) -> bytes:
        """The header, in whole bytes.

        Raises:
            InputError: A number is larger than the format can say.
        """
        video, rate = self.video, self.video.fps
        code = RATES.index(rate) if rate in RATES else _OTHER_RATE
        digits = max(video.frames or 0, self.start, self.start + self.length).bit_length()
        places = max(self.index, self.count - 1).bit_length()
        other = [("frame rate", rate.numerator, 24), ("frame rate", rate.denominator, 24)]
        fields = [
            ("version", MAGIC << 4 | (STRUCTURE_VERSION if self.structure_sent else VERSION), 8),
            ("stream", self.stream, 16),
            ("part", PACKET_PARTS.index(self.part), 3 if self.structure_sent else 2),
            ("pictures", self.keyframe_sent << 2 | self.closing_sent << 1 | self.last, 3),
            ("height", video.height, 14),
            ("width", video.width, 14),
            ("frame rate", code, 4),
            *(other if code == _OTHER_RATE else []),
            ("number of frames", digits, 5),
            ("number of frames", video.frames or 0, min(digits, MAX_FRAMES_BITS)),
            ("start", self.start, min(digits, MAX_FRAMES_BITS)),
            ("length of a segment", self.length, min(digits, MAX_LENGTH_BITS)),
            ("number of fragments", places, 4),
            ("number of fragments", self.index, places),
            ("number of fragments", self.count - 1, places),
        ]
        bits = ""
        for name, value, width in fields:
            if not 0 <= value < 1 << width:
                raise InputError(f"the {name} is {value}; a packet says at most {2**width - 1}")
            bits += f"{value:0{width}b}" if width else ""
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big")


class Packet(NamedTuple):
    """A packet that can be trusted."""

    header: PacketHeader
    payload: bytes


def pack_packet(header: PacketHeader, payload: bytes) -> bytes:
    """Header, payload and CRC."""
    body = header.packed() + payload
    return body + crc(body)


def read_packet(data: bytes) -> Packet | None:
    """What a packet says; ``None`` where its CRC fails or it makes no sense. Never raises."""
    body = data[:-CRC_BYTES]
    versions = MAGIC << 4 | VERSION, MAGIC << 4 | STRUCTURE_VERSION
    if len(body) < 8 or body[0] not in versions or data[-CRC_BYTES:] != crc(body):
        return None
    bits = _Bits(body[:32])
    bits.take(8)
    structure_sent = body[0] == versions[1]
    stream, part, pictures = bits.take(16), bits.take(3 if structure_sent else 2), bits.take(3)
    height, width, code = bits.take(14), bits.take(14), bits.take(4)
    numerator, denominator = (bits.take(24), bits.take(24)) if code == _OTHER_RATE else (1, 1)
    digits = bits.take(5)
    frames, start, length = bits.take(digits), bits.take(digits), bits.take(min(digits, MAX_LENGTH_BITS))
    places = bits.take(4)
    index, last_index = bits.take(places), bits.take(places)
    if bits.overrun or not 0 < height * width <= MAX_PIXELS or not (numerator and denominator):
        return None
    if part >= len(PACKET_PARTS):
        return None
    if digits > MAX_FRAMES_BITS or bool(length) == (PACKET_PARTS[part] == "end"):
        return None
    rate = RATES[code] if code < len(RATES) else Fraction(numerator, denominator)
    if not 0 < rate <= 1000:
        return None
    header = PacketHeader(
        stream=stream,
        video=VideoFormat(height, width, rate, frames or None),
        start=start,
        length=length,
        last=bool(pictures & 1),
        keyframe_sent=bool(pictures & 4),
        closing_sent=bool(pictures & 2),
        part=PACKET_PARTS[part],
        index=index,
        count=last_index + 1,
        structure_sent=structure_sent,
    )
    return Packet(header, body[bits.whole_bytes :])


def crc(body: bytes) -> bytes:
    """The CRC of header and payload: CRC-32, folded."""
    whole = zlib.crc32(body)
    return ((whole ^ whole >> 16) & 0xFFFF).to_bytes(CRC_BYTES, "big")


class _Bits:
    """Bits of some bytes, most significant first; zeros after the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)
        self._taken = 0

    def take(self, width: int) -> int:
        self._taken += width
        self._left -= width
        return (self._value >> max(0, self._left)) & (1 << width) - 1

    @property
    def overrun(self) -> bool:
        return self._left < 0

    @property
    def whole_bytes(self) -> int:
        return -(-self._taken // 8)
