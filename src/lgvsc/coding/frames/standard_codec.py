"""A group of pictures through a standard video codec: H.264 by x264, H.265 by x265, AV1 by SVT-AV1, VVC by libvvenc.

The first three come in PyAV's wheel, VVC's encoder with the extra ``bench``. Only what the receiver cannot know is in
the payload, see ``elementary.py``. Its parameter sets the receiver gets by running the same encoder on a grey picture
of the announced size.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import cast

import av
import numpy as np
import torch
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from lgvsc.coding.frames.elementary import (
    CodecName,
    PictureUnits,
    decodable,
    display_positions,
    payload_of,
    pictures_of,
    take_apart,
)
from lgvsc.coding.frames.svt_log import silence_svt_av1
from lgvsc.coding.frames.svt_priority import kept_priority
from lgvsc.coding.frames.vvc import vvc_stream
from lgvsc.core.reformatter import Reformatter
from lgvsc.core.video import Pixels
from lgvsc.errors import MissingResourceError

ENCODERS = {"h264": "libx264", "h265": "libx265", "av1": "libsvtav1", "vvc": "libvvenc"}
DECODERS = {"h264": "h264", "h265": "hevc", "av1": "libdav1d", "vvc": "vvc"}
COARSEST = {
    "h264": 51.0,
    "h265": 51.0,
    "av1": 70.0,
    "vvc": 63.0,
}  # of CRF (VVC: QP); 6 or so halve the rate

LONG = 255  # in the place of a length: that of parameter sets follows in two bytes
_RATE = Fraction(25)  # what encoders are told always; none of their decisions should hang on it
PRESETS = {"h264": "veryslow", "h265": "slow", "av1": "3", "vvc": "medium"}
ANALYSIS_PRESETS = {"h264": "medium", "h265": "fast", "av1": "6", "vvc": "faster"}
PAPER_PRESET = "medium"  # the default of x264 and x265; the paper names none
_X264 = "keyint=infinite:scenecut=0:threads=1:lookahead-threads=1:slices=1"
_X265 = (
    "keyint=-1:scenecut=0:open-gop=0:repeat-headers=1:info=0:hrd=0:aud=0:log-level=none:"
    "frame-threads=1:pools=none:wpp=0:slices=1:lookahead-slices=0"
)
_SVT = "lp=2:keyint=-1:scd=0:tune=2"
# Measured on training clips at 5 to 10 kbit/s; psychovisual tools cost both PSNR and SSIM.
_X264_BEST = ":psy=0:aq-mode=2:bframes=8:rc-lookahead=120"
_X265_BEST = ":psy-rd=0:psy-rdoq=0:rdoq-level=0:rd=6:aq-mode=2:bframes=8:rc-lookahead=60"


@dataclass(frozen=True, slots=True)
class Quantiser:
    """How coarse to code.

    Attributes:
        value: The encoder's own number; larger is coarser.
        constant_qp: ``True``: QP, the same for every block but for what the encoder adds by frame type, as in the
            papers. ``False``: CRF, which lets the encoder spend more where later frames refer to it. VVC has QP alone.
    """

    value: float
    constant_qp: bool = False


@dataclass(frozen=True, slots=True)
class CodedGop:
    """A coded group of pictures.

    Attributes:
        payload: What goes on the air.
        headers_sent: The payload begins with the parameter sets, with their length in the first byte.
        header_qp: The quantiser that the receiver is told, to write the parameter sets itself.
        header_check: Sum of the parameter sets, 8 bits.
    """

    payload: bytes
    headers_sent: bool
    header_qp: int
    header_check: int

    @property
    def picture_bytes(self) -> int:
        """Bytes of the payload without parameter sets."""
        return len(self.payload) - (self.payload[0] + 1 if self.headers_sent else 0)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPicture:
    """A decoded picture, 4:2:0, and its place among the coded ones of its group."""

    position: int
    frame: av.VideoFrame


_read, _enlarged = Reformatter(), Reformatter()


def coded_size(height: int, width: int, eighths: int) -> tuple[int, int]:
    """Size at which pictures are coded: so many eighths of the source's, even, at least 16 each way."""
    return max(16, height * eighths // 16 * 2), max(16, width * eighths // 16 * 2)


def to_yuv(pixels: Pixels) -> av.VideoFrame:
    """An RGB picture as 8-bit 4:2:0, BT.601 over the full range. Nothing signals this; it is part of the contract."""
    return _read(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"),
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BICUBIC,
    )


def to_rgb(frame: av.VideoFrame, height: int, width: int) -> Pixels:
    """A decoded picture in the source's size, enlarged with a bicubic kernel."""
    shown = _enlarged(
        frame,
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BICUBIC,
    )
    return np.asarray(shown.to_ndarray(), dtype=np.uint8)


def scaled(frames: Sequence[av.VideoFrame], size: tuple[int, int]) -> list[av.VideoFrame]:
    """Pictures in 4:2:0, in another size ``(height, width)``."""
    height, width = size
    reformatted = Reformatter()
    return [reformatted(frame, width=width, height=height, interpolation=Interpolation.BICUBIC) for frame in frames]


def encode_gop(
    codec: CodecName, frames: Sequence[av.VideoFrame], quantiser: Quantiser, preset: str | None = None
) -> CodedGop:
    """Code pictures, the first one as an intra frame.

    Args:
        codec: Name of the standard.
        frames: At least one, 4:2:0, all of one even size.
        quantiser: How coarse.
        preset: Of the encoder, by its own name. Any but the usual one costs some 80 bytes of parameter sets.

    Raises:
        MissingResourceError: PyAV was built without the encoder.
    """
    stream = _encode(codec, frames, quantiser, preset or _usual_preset(codec, quantiser.constant_qp))
    size = frames[0].height, frames[0].width
    near = [round(quantiser.value) + more for more in (0, -1, 1)]
    matching = (qp for qp in near if qp >= 0 and _headers(codec, *size, qp, quantiser.constant_qp) == stream.headers)
    header_qp = next(matching, None)
    payload = payload_of(codec, stream.pictures)
    if header_qp is None:
        payload = with_headers(stream.headers, payload)
    return CodedGop(payload, header_qp is None, header_qp or 0, _sum_of(stream.headers))


def decode_gop(codec: CodecName, coded: CodedGop, size: tuple[int, int], constant_qp: bool) -> Iterator[DecodedPicture]:
    """Decode what is left of a payload. Never raises; ends early where nothing more can be had.

    Args:
        codec, size, constant_qp: As at the transmitter; ``size`` is the coded ``(height, width)``.
        coded: As received. The payload may have lost its end.

    Yields:
        Pictures in the order of display, with their positions, which rise strictly but may skip some.
    """
    headers, payload = _headers_and_rest(codec, coded, size, constant_qp)
    units = list(pictures_of(codec, payload))
    if not headers or not units:
        return
    positions = display_positions(codec, headers, units)
    shown = -1
    for count, frame in enumerate(_decode(codec, headers, units, size)):
        index = frame.pts if frame.pts is not None and 0 <= frame.pts < len(units) else 0
        position = count if codec == "av1" else positions[index]
        if position > shown and (frame.height, frame.width) == size:
            yield DecodedPicture(position, frame)
            shown = position


# Encoder


def _usual_preset(codec: CodecName, constant_qp: bool) -> str:
    return PAPER_PRESET if constant_qp else PRESETS[codec]


def _encode(codec: CodecName, frames: Sequence[av.VideoFrame], quantiser: Quantiser, preset: str) -> PictureUnits:
    if codec == "vvc":
        return take_apart(codec, vvc_stream(frames, round(quantiser.value), preset))
    if codec == "av1":
        silence_svt_av1()
    try:
        encoder = cast(VideoCodecContext, av.CodecContext.create(ENCODERS[codec], "w"))
    except ValueError as error:  # PyAV's own UnknownCodecError
        raise MissingResourceError(f"PyAV was built without {ENCODERS[codec]}; install its wheel") from error
    encoder.width, encoder.height, encoder.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    encoder.time_base, encoder.framerate = 1 / _RATE, _RATE
    encoder.thread_count = 1
    encoder.options = _options(codec, quantiser, preset, frames[0].height, frames[0].width)
    if codec == "av1":
        with kept_priority():
            encoder.open()
    packets: list[av.Packet] = []
    for index, frame in enumerate(frames):
        frame.pts, frame.time_base = index, 1 / _RATE
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return take_apart(codec, b"".join(bytes(packet) for packet in packets))


def _options(codec: CodecName, quantiser: Quantiser, preset: str, height: int, width: int) -> dict[str, str]:
    knob = "qp" if quantiser.constant_qp else "crf"
    value = f"{quantiser.value:.0f}" if quantiser.constant_qp else f"{quantiser.value:.2f}"
    if codec == "av1":
        return {"preset": preset, "svtav1-params": f"{_SVT}:crf={round(4 * quantiser.value) / 4:.2f}"}
    if codec == "h264":
        more = "" if quantiser.constant_qp else _X264_BEST
        return {"preset": preset, knob: value, "x264-params": _X264 + more + _x264_instructions()}
    more = "" if quantiser.constant_qp else _X265_BEST
    return {"preset": preset, knob: value, "x265-params": f"{_X265}{more}{_for_size(height, width)}"}


def _x264_instructions() -> str:
    """With AVX-512, x264's mbtree reads memory that it never set, and the same pictures give other bytes each time.

    Seen in x264 165 at widths like 144 and 160; with AVX2, or without mbtree, it is gone. Naming instructions to x264
    makes it use them unasked, so this is done only where there are more.
    """
    return ":asm=avx2" if torch.backends.cpu.get_cpu_capability() == "AVX512" else ""


def _for_size(height: int, width: int) -> str:
    """What x265 cannot do on small pictures.

    It needs a whole coding tree block each way. Below 64 columns its cutree writes beyond the end of its tables, which
    are rows of one entry for 16 columns, handled four at a time: seen in x265 4.2 with a memory checker.
    """
    block = 64 if min(height, width) >= 64 else 32 if min(height, width) >= 32 else 16
    return f":ctu={block}:max-tu-size={min(32, block)}" + (":cutree=0" if width < 64 else "")


# Decoder


def with_headers(headers: bytes, payload: bytes) -> bytes:
    """Parameter sets before a payload: their length in one byte, or in two behind a byte of 255."""
    length = bytes([len(headers)]) if len(headers) < LONG else bytes([LONG]) + len(headers).to_bytes(2, "big")
    return length + headers + payload


def split_headers(payload: bytes) -> tuple[bytes, bytes]:
    """What :func:`with_headers` joined; of a payload that was cut, as much as is there."""
    start, length = (3, int.from_bytes(payload[1:3], "big")) if payload[:1] == bytes([LONG]) else (1, sum(payload[:1]))
    return payload[start : start + length], payload[start + length :]


def _headers_and_rest(
    codec: CodecName, coded: CodedGop, size: tuple[int, int], constant_qp: bool
) -> tuple[bytes, bytes]:
    """Parameter sets and coded pictures; both empty where this receiver cannot write the former."""
    if coded.headers_sent:
        headers, rest = split_headers(coded.payload)
    else:
        headers, rest = _headers(codec, *size, coded.header_qp, constant_qp), coded.payload
    return (headers, rest) if _sum_of(headers) == coded.header_check else (b"", b"")


@lru_cache(maxsize=64)
def _headers(codec: CodecName, height: int, width: int, qp: int, constant_qp: bool) -> bytes:
    """The parameter sets that the encoder writes for this size and quantiser, whatever the pictures show."""
    if qp > COARSEST[codec] or (constant_qp and codec == "av1"):  # no transmitter of ours sends such
        return b""
    grey = np.full((height, width, 3), 128, np.uint8)
    frames = [to_yuv(grey) for _ in range(2)]
    return _encode(codec, frames, Quantiser(qp, constant_qp), _usual_preset(codec, constant_qp)).headers


def _decode(codec: CodecName, headers: bytes, units: list[bytes], size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    decoder = cast(VideoCodecContext, av.CodecContext.create(DECODERS[codec], "r"))
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(2 * (size[0] + 64) * (size[1] + 64))}  # what is sent cannot ask for more
    try:
        for index, unit in enumerate(units):
            data = decodable(codec, unit)
            packet = av.Packet(headers + data if index == 0 else data)
            packet.pts = packet.dts = index
            packet.time_base = 1 / _RATE
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
    except (FFmpegError, ValueError):
        return


def _sum_of(headers: bytes) -> int:
    return zlib.crc32(headers) & 0xFF
