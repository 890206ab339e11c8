"""Elementary streams without what the receiver can write itself: start codes, delimiters, parameter sets.

At a few kbit/s a frame often has fewer than twenty bytes, so a start code of four is a fifth of it. Coded
pictures are sent as units with their lengths, as in an MP4 file but with no container around them; the receiver puts
start codes back. Parameter sets follow from size and settings, see ``video_road.py``; only where not, they travel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

CodecName: TypeAlias = Literal["h264", "h265", "av1", "vvc"]

CODECS: tuple[CodecName, ...] = ("h264", "h265", "av1", "vvc")  # numbered on the air in this order

START = b"\x00\x00\x00\x01"
_OBU_SEQUENCE_HEADER = 1
_OBU_PICTURES = (3, 4, 6)  # frame header, tile group, both in one
_VVC_END = 21


@dataclass(frozen=True, slots=True)
class PictureUnits:
    """A group of pictures in units.

    Attributes:
        headers: Parameter sets (H.264, H.265, VVC) or the sequence header (AV1), one byte string.
        pictures: What holds coded pictures, in the order of decoding.
    """

    headers: bytes
    pictures: tuple[bytes, ...]


def take_apart(codec: CodecName, stream: bytes) -> PictureUnits:
    """Sort the units of an encoder's output; delimiters and remarks (SEI) are left out."""
    headers, pictures = [], []
    for unit in _obus(stream) if codec == "av1" else _nal_units(stream):
        kind = _kind(codec, unit)
        if kind == "headers":
            headers.append(unit)
        elif kind == "picture":
            pictures.append(unit)
    return PictureUnits(_framed(codec, headers), tuple(pictures))


def payload_of(codec: CodecName, pictures: tuple[bytes, ...]) -> bytes:
    """Coded pictures as they go on the air. An OBU of AV1 knows its own length; a NAL unit is told it."""
    if codec == "av1":
        return b"".join(pictures)
    return b"".join(_leb128(len(unit)) + unit for unit in pictures)


def pictures_of(codec: CodecName, payload: bytes) -> Iterator[bytes]:
    """The units that lie wholly within a payload, which may have lost its end. Never raises."""
    at = 0
    while at < len(payload):
        start = at
        if codec == "av1":
            at += 2 if payload[at] & 4 else 1
        length, at = _read_leb128(payload, at)
        if length is None or at + length > len(payload):
            return
        unit = payload[start : at + length] if codec == "av1" else payload[at : at + length]
        at += length
        if _kind(codec, unit) == "picture":
            yield unit


def decodable(codec: CodecName, unit: bytes) -> bytes:
    """A unit as a decoder wants it."""
    return _framed(codec, [unit])


def display_positions(codec: CodecName, headers: bytes, pictures: list[bytes]) -> list[int]:
    """Which frame each unit codes, counted in the order of display.

    All of them together are the frames 0 to n - 1; where the end is lost, some of the frames between may be missing.
    H.264, H.265 and VVC say so in each picture's order count, of which only low bits are sent. In AV1, what is shown is
    in order anyway, so the answer is just 0, 1, 2 ...
    """
    if codec == "av1":
        return list(range(len(pictures)))
    counter = {"h264": _order_counter_h264(headers), "h265": _order_h265, "vvc": _order_vvc}[codec]
    positions: list[int] = []
    previous = 0
    for unit in pictures:
        low, bits = counter(unit) if not _is_adaptation(codec, unit) else (previous, 1)
        half = 1 << bits - 1
        previous += (low - previous + half) % (1 << bits) - half
        positions.append(previous)
    return [position // 2 for position in positions] if codec == "h264" else positions  # H.264 counts fields


# Units


def _kind(codec: CodecName, unit: bytes) -> Literal["headers", "picture", "other"]:
    if not unit:
        return "other"
    if codec == "av1":
        number = unit[0] >> 3 & 15
        headers, picture = number == _OBU_SEQUENCE_HEADER, number in _OBU_PICTURES
    elif codec == "h264":
        number = unit[0] & 31
        headers, picture = number in (7, 8), number in (1, 5)
    elif codec == "vvc":
        number = unit[1] >> 3 if len(unit) > 1 else _VVC_END
        headers, picture = number in (14, 15, 16), number < 12 or _is_adaptation(codec, unit)
    else:
        number = unit[0] >> 1 & 63
        headers, picture = number in (32, 33, 34), number < 32
    return "headers" if headers else "picture" if picture else "other"


def _is_adaptation(codec: CodecName, unit: bytes) -> bool:
    """Whether a unit holds filter parameters of VVC, which travel among the pictures and are none."""
    return codec == "vvc" and len(unit) > 1 and unit[1] >> 3 in (17, 18)


def _framed(codec: CodecName, units: list[bytes]) -> bytes:
    return b"".join(units if codec == "av1" else [START + unit for unit in units])


def _nal_units(stream: bytes) -> Iterator[bytes]:
    """Units of an Annex B byte stream; zero bytes before a start code belong to it."""
    for unit in re.split(rb"\x00\x00\x01", stream)[1:]:
        yield unit.rstrip(b"\x00")


def _obus(stream: bytes) -> Iterator[bytes]:
    """Units of AV1's low-overhead format, in which all have a length."""
    at = 0
    while at < len(stream):
        length, body = _read_leb128(stream, at + (2 if stream[at] & 4 else 1))
        if length is None:
            return
        yield stream[at : body + length]
        at = body + length


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _read_leb128(data: bytes, at: int) -> tuple[int | None, int]:
    """A number of up to 28 bits and where it ends; ``None`` where it does not."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(data):
            return None, at
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    return None, at


# Picture order counts (ITU-T H.264, 7.3.3 and 8.2.1; H.265, 7.3.6.1 and 8.3.1; H.266, 7.3.2.8, 7.3.7 and 8.3.1)


class _Bits:
    """The bits of a unit's first bytes, emulation prevention taken out; zeros follow the end."""

    def __init__(self, unit: bytes) -> None:
        data = unit[:64].replace(b"\x00\x00\x03", b"\x00\x00")
        self._text = "".join(f"{byte:08b}" for byte in data) + "0" * 64
        self._at = 0

    def u(self, count: int) -> int:
        self._at = min(self._at + count, len(self._text) - 1)
        return int(self._text[self._at - count : self._at] or "0", 2)

    def ue(self) -> int:
        zeros = 0
        while zeros < 31 and not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + (self.u(zeros) if zeros else 0)


H265_ORDER_BITS = 8  # x265's choice in the settings that are used here


def _order_h265(unit: bytes) -> tuple[int, int]:
    bits = _Bits(unit)
    bits.u(1)
    kind = bits.u(6)
    bits.u(9)  # layer, temporal layer
    bits.u(1)  # first slice of the picture
    if 16 <= kind <= 23:
        bits.u(1)  # whether earlier pictures are still shown
    bits.ue()  # picture parameter set
    bits.ue()  # slice type
    return (0 if kind in (19, 20) else bits.u(H265_ORDER_BITS)), H265_ORDER_BITS


VVC_ORDER_BITS = 8  # libvvenc's choice


def _order_vvc(unit: bytes) -> tuple[int, int]:
    """From a slice that carries its picture's header itself, as all of libvvenc's do where a picture is one slice."""
    bits = _Bits(unit)
    bits.u(16)  # unit header
    bits.u(1)  # the picture's header is here
    intra_only = bits.u(1)
    bits.u(1)  # not referred to
    if intra_only:
        bits.u(1)  # gradual refresh
    if bits.u(1):  # may hold inter slices ...
        bits.u(1)  # ... and intra slices
    bits.ue()  # picture parameter set
    return bits.u(VVC_ORDER_BITS), VVC_ORDER_BITS


def _order_counter_h264(headers: bytes) -> Callable[[bytes], tuple[int, int]]:
    """How to read the order count of a unit, which depends on two lengths in the sequence parameter set."""
    sets = [unit for unit in _nal_units(headers) if unit[0] & 31 == 7]
    frame_bits = order_bits = 4
    if sets:
        bits = _Bits(sets[0][1:])
        profile = bits.u(8)
        bits.u(16)  # constraints, level
        bits.ue()
        if profile >= 100:
            bits.ue(), bits.ue(), bits.ue(), bits.u(2)  # chroma format, two depths, two flags
        frame_bits += bits.ue()
        if bits.ue() == 0:
            order_bits += bits.ue()

    def order(unit: bytes) -> tuple[int, int]:
        bits = _Bits(unit)
        kind = bits.u(8) & 31
        bits.ue(), bits.ue(), bits.ue()  # first macroblock, slice type, parameter set
        bits.u(frame_bits)
        if kind == 5:
            bits.ue()
        return bits.u(order_bits), order_bits

    return order
