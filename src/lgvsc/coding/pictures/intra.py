"""One intra picture as bare HEVC slice data: nothing is sent that the receiver can rebuild.

An HEVC stream of one picture carries 70 to 80 bytes of parameter sets, start codes and headers. They follow from
the size, the quantiser and settings that never change, so only the arithmetic-coded slice is sent; the receiver writes
the rest anew. The payload cannot ask for memory: the size of what is decoded comes from the receiver's own headers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from lgvsc.core.reformatter import Reformatter
from lgvsc.core.video import MAX_PIXELS, Pixels
from lgvsc.errors import MissingResourceError, ShapeError

MIN_QP, MAX_QP = 1, 51
MAX_SIDE = 8192  # of what HEVC codes; larger pictures are scaled down first
CHROMA_QP_OFFSET = -2  # pictures are judged in RGB, where chroma errors count more than the default grants

_CB = 8  # smallest coding block: coded sizes are multiples
_CTB, _SMALL_CTB = 32, 16  # x265 needs at least one coding tree block each way
_START = b"\x00\x00\x00\x01"
_TAIL = b"\x00\x00\x80"  # the last bytes of an arithmetic code are often zero or do not matter, and are left out
_VPS, _SPS, _PPS, _IDR = 32, 33, 34, 20  # types of NAL units
_X265 = (
    "keyint=1:info=0:repeat-headers=1:hrd=0:aud=0:log-level=none:frame-threads=1:pools=none:wpp=0:lookahead-slices=0:slices=1:"
    "aq-mode=0:cutree=0:psy-rd=0:psy-rdoq=0:ipratio=1:rdoq-level=2:rd=3:signhide=1:sao=0:strong-intra-smoothing=0:"
    "tskip=0:tu-intra-depth=1:max-tu-size=32:min-cu-size=8:constrained-intra=0:deblock=0,0:limit-tu=0:scenecut=0"
)


def encode_intra(picture: Pixels, qp: int) -> bytes:
    """Slice data of a picture at a constant quantiser.

    Args:
        picture: uint8 RGB ``(H, W, 3)``, at most ``MAX_SIDE`` each way.
        qp: HEVC's quantiser, 1 (fine) to 51 (coarse); six steps double the step size.

    Returns:
        What only the transmitter knows, for :func:`decode_intra` with the same size and quantiser.

    Raises:
        ShapeError: Not an RGB picture, or too large.
        MissingResourceError: PyAV has no x265, or one whose streams have other headers than are rebuilt here.
    """
    _check_encoder()
    height, width = picture.shape[:2]
    data = _strip(_encode_stream(picture, qp), qp)
    shorter = [data[:-cut] for cut in (2, 1) if len(data) > cut]
    if not shorter:
        return data
    whole = decode_intra(data, height, width, qp)
    return next((d for d in shorter if _same(decode_intra(d, height, width, qp), whole)), data)


def decode_intra(data: bytes, height: int, width: int, qp: int) -> Pixels | None:
    """The picture ``(height, width, 3)``, or ``None`` where the data are not such a picture. Never raises."""
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and MIN_QP <= qp <= MAX_QP and data):
        return None
    if height * width > MAX_PIXELS:
        return None
    coded_height, coded_width = _coded_size(height, width)
    return _decode_stream(_headers(coded_height, coded_width) + _slice(data, qp), height, width)


# Transmitter


_read, _shown = Reformatter(), Reformatter()


def _encode_stream(picture: Pixels, qp: int) -> bytes:
    """The whole stream, as x265 writes it."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ShapeError(f"a picture is uint8 RGB (H, W, 3), got {picture.dtype} {picture.shape}")
    height, width = picture.shape[:2]
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise ShapeError(f"a picture of {width}x{height} is too large to be coded")
    coded_height, coded_width = _coded_size(height, width)
    padded = np.pad(picture, ((0, coded_height - height), (0, coded_width - width), (0, 0)), mode="edge")
    frame = _read(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24"),
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BICUBIC,
    )
    frame.pts = 0
    try:
        encoder = av.CodecContext.create("libx265", "w")
    except ValueError as error:  # PyAV's own UnknownCodecError
        raise MissingResourceError("PyAV was built without x265, which codes keyframes; install its wheel") from error
    encoder.width, encoder.height, encoder.pix_fmt = coded_width, coded_height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    offsets = f"cbqpoffs={CHROMA_QP_OFFSET}:crqpoffs={CHROMA_QP_OFFSET}"
    ctb = _ctb(coded_height, coded_width)
    encoder.options = {
        "preset": "superfast",
        "x265-params": f"{_X265}:{offsets}:ctu={ctb}:max-tu-size={ctb}:qp={qp}",
    }
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _strip(stream: bytes, qp: int) -> bytes:
    """The slice's data: no start code, no headers, no emulation prevention."""
    units = [unit for unit in re.split(rb"\x00\x00\x01", stream) if unit]
    slices = [unit for unit in units if (unit[0] >> 1) & 63 == _IDR]
    head = _slice_head(qp)
    if len(slices) != 1 or not slices[0].startswith(head):
        raise MissingResourceError(
            "this build of x265 writes slice headers that lgvsc does not rebuild; install PyAV's wheel"
        )
    return slices[0][len(head) :].replace(b"\x00\x00\x03", b"\x00\x00")


@lru_cache(maxsize=1)
def _check_encoder() -> None:
    """Once: what is rebuilt decodes to the same pixels as x265's own stream, for both block sizes."""
    for size in (24, 48):
        ramp = np.linspace(0, 255, size * size * 3).reshape(size, size, 3)
        picture = (ramp * np.array([1.0, 0.5, 0.8]) * (1 - np.eye(size))[:, :, None]).astype(np.uint8)
        stream = _encode_stream(picture, 30)
        own = _decode_stream(stream, size, size)
        rebuilt = decode_intra(_strip(stream, 30), size, size, 30)
        if not _same(own, rebuilt):
            raise MissingResourceError(
                "this build of x265 writes headers that lgvsc does not rebuild; install PyAV's wheel"
            )


def _same(one: Pixels | None, other: Pixels | None) -> bool:
    return one is not None and other is not None and np.array_equal(one, other)


# Receiver


def _decode_stream(stream: bytes, height: int, width: int) -> Pixels | None:
    decoder = av.CodecContext.create("hevc", "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}
    try:
        frames = [*decoder.decode(av.Packet(stream)), *decoder.decode(None)]
        if len(frames) != 1 or (frames[0].height, frames[0].width) != _coded_size(height, width):
            return None
        decoded = _shown(
            frames[0],
            format="rgb24",
            src_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BICUBIC,
        )
        return np.ascontiguousarray(decoded.to_ndarray()[:height, :width], dtype=np.uint8)
    except (FFmpegError, ValueError):
        return None


def _slice(data: bytes, qp: int) -> bytes:
    head = _slice_head(qp)
    return _START + head + _prevent_emulation(data + _TAIL, head[-2:])


# Headers (ITU-T H.265, section 7.3). Fields that hold nothing but a fixed choice are written as numbers.


def _coded_size(height: int, width: int) -> tuple[int, int]:
    return max(_SMALL_CTB, -(-height // _CB) * _CB), max(_SMALL_CTB, -(-width // _CB) * _CB)


def _ctb(coded_height: int, coded_width: int) -> int:
    return _CTB if min(coded_height, coded_width) >= _CTB else _SMALL_CTB


def _headers(coded_height: int, coded_width: int) -> bytes:
    return b"".join(_START + unit for unit in (_vps(), _sps(coded_height, coded_width), _pps()))


@lru_cache(maxsize=64)
def _slice_head(qp: int) -> bytes:
    """NAL header and slice segment header (7.3.6.1) of an IDR picture in one slice."""
    fields = [
        "1",
        "0",
        _ue(0),
        _ue(2),
        _se(qp - 26),
        "1",
    ]  # first slice, keep earlier output, PPS 0, type I, QP, filter
    return _unit_head(_IDR) + _to_bytes([*fields, "1"])  # the last 1 aligns


def _vps() -> bytes:
    timing_and_extension = ["0", "0"]
    fields = ["0000", "11", "000000", "000", "1", "1" * 16, _PROFILE, "1", _ue(0), _ue(0), _ue(0), "000000", _ue(0)]
    return _unit(_VPS, [*fields, *timing_and_extension])


def _sps(coded_height: int, coded_width: int) -> bytes:
    ctb_log2 = _ctb(coded_height, coded_width).bit_length() - 1
    return _unit(
        _SPS,
        [
            *("0000", "000", "1", _PROFILE),
            *(_ue(0), _ue(1), _ue(coded_width), _ue(coded_height), "0"),  # 4:2:0, no cropping
            *(_ue(0), _ue(0), _ue(4)),  # 8 bits, picture order counts of 8 bits
            *("1", _ue(0), _ue(0), _ue(0)),  # buffering
            *(_ue(0), _ue(ctb_log2 - 3), _ue(0), _ue(ctb_log2 - 2)),  # coding blocks from 8, transforms from 4
            *(_ue(0), _ue(0)),  # depth of the transform trees
            *("0", "0", "0", "0"),  # scaling lists, asymmetric partitions, SAO, PCM
            *(_ue(0), "0", "0", "0"),  # reference sets, long-term ones, temporal motion, strong smoothing
            *("0", "0"),  # VUI, extensions
        ],
    )


def _pps() -> bytes:
    return _unit(
        _PPS,
        [
            *(_ue(0), _ue(0), "0", "0", "000", "1", "0"),  # sign data hiding
            *(_ue(0), _ue(0), _se(0), "0", "0", "0"),  # references, QP 26, constrained intra, skips, QP per block
            *(_se(CHROMA_QP_OFFSET), _se(CHROMA_QP_OFFSET), "0"),
            *("0", "0", "0", "0", "0", "1"),  # weights, lossless blocks, tiles, wavefronts, filter across slices
            *("0", "0", "0", _ue(0), "0", "0"),  # deblocking control, scaling lists, reordering, merging, extensions
        ],
    )


def _flags(*groups: tuple[int, int]) -> str:
    return "".join(f"{value:0{width}b}" for value, width in groups)


_PROFILE = _flags((0, 2), (0, 1), (1, 5), (0x60000000, 32), (0x9, 4), (0, 44), (186, 8))  # Main, level 6.2


def _unit(kind: int, fields: Sequence[str]) -> bytes:
    """A NAL unit with its trailing bits (7.3.2.11)."""
    return _unit_head(kind) + _prevent_emulation(_to_bytes([*fields, "1"]), b"")


def _unit_head(kind: int) -> bytes:
    return bytes((kind << 1, 1))


def _to_bytes(fields: Sequence[str]) -> bytes:
    bits = "".join(fields)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _prevent_emulation(data: bytes, before: bytes) -> bytes:
    """Insert 3 wherever two zero bytes are followed by a byte below 4 (7.4.2)."""
    escaped = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", before + data)
    return escaped[len(before) :]


def _ue(value: int) -> str:
    """Unsigned Exp-Golomb code (9.2)."""
    binary = f"{value + 1:b}"
    return "0" * (len(binary) - 1) + binary


def _se(value: int) -> str:
    """Signed Exp-Golomb code (9.2.2)."""
    return _ue(2 * value - 1 if value > 0 else -2 * value)
