"""The digital road of a keyframe: scale down, code as one intra picture, protect, modulate.

At the budgets of a keyframe, about a tenth of a bit per pixel, a smaller picture coded well beats a large one coded
badly. So scale and quantiser are searched together, for the best picture at full size that fits the budget; the
first byte of the payload names both. Everything else that a picture file carries the receiver knows already.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import cv2
import numpy as np
import torch

from lgvsc.coding.modem.digital import LADDER, Mcs, decode_bits, encode_bits, max_payload_bits, mcs_at, symbol_count
from lgvsc.coding.modem.link_adaptation import choose_mcs, required_snr_db
from lgvsc.coding.pictures.intra import MAX_QP, MAX_SIDE, decode_intra, encode_intra
from lgvsc.core.air import Reception
from lgvsc.core.interfaces import CodedPicture
from lgvsc.core.video import MAX_PIXELS, Pixels
from lgvsc.errors import ConfigError, ShapeError

SCALES: tuple[tuple[float, int], ...] = (  # linear scale, number of quantisers that can be named, coarsest last
    (1.0, 51),
    (7 / 8, 28),
    (3 / 4, 28),
    (5 / 8, 26),
    (1 / 2, 24),
    (3 / 8, 22),
    (1 / 4, 20),
    (3 / 16, 18),
    (1 / 8, 16),
    (1 / 16, 12),
    (1 / 32, 10),
)
MEAN_COLOUR = 255  # first byte of a payload that is three bytes of RGB for the whole picture
MEAN_COLOUR_BYTES = 4
MAX_BYTES = (1 << 17) - 1  # what control can announce

# Best scale by bits per pixel of the full picture, from photographs; the search starts there.
_USUAL_SCALE = ((0.12, 0), (0.06, 1), (0.03, 2), (0.018, 4), (0.01, 5), (0.005, 6), (0.0025, 8), (0.0008, 9), (0.0, 10))
_FULL_ENOUGH = 0.93  # of the budget: the next finer quantiser would take about an eighth more
_MAX_ENCODES = 6  # per scale


def encode_picture(picture: Pixels, max_bytes: int) -> bytes:
    """The best picture that fits, judged by mean squared error over RGB at full size.

    Args:
        picture: uint8 RGB ``(H, W, 3)``, up to 16 megapixels.
        max_bytes: Budget, at least ``MEAN_COLOUR_BYTES``.

    Returns:
        At most ``max_bytes`` bytes: one that names scale and quantiser, then slice data; or the mean colour.

    Raises:
        ShapeError: Not an RGB picture, or too large.
        ConfigError: The budget does not hold a mean colour.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ShapeError(f"a picture is uint8 RGB (H, W, 3), got {picture.dtype} {picture.shape}")
    height, width = picture.shape[:2]
    if height * width > MAX_PIXELS:
        raise ShapeError(f"a picture of {width}x{height} is above {MAX_PIXELS // 10**6} megapixels")
    if max_bytes < MEAN_COLOUR_BYTES:
        raise ConfigError(f"{max_bytes} bytes are too few for a picture; a mean colour takes {MEAN_COLOUR_BYTES}")
    max_bytes = min(max_bytes, MAX_BYTES)
    tried: dict[int, _Try | None] = {}

    def at(scale: int) -> _Try | None:
        if not 0 <= scale < len(SCALES):
            return None
        if scale not in tried:
            tried[scale] = _best_at_scale(picture, scale, max_bytes)
        return tried[scale]

    bits_per_pixel = 8 * max_bytes / (height * width)
    scale = next(index for least, index in _USUAL_SCALE if bits_per_pixel >= least)
    while at(scale) is None and scale < len(SCALES) - 1:
        scale += 1  # not even the coarsest quantiser fits
    for step in (-1, 1):  # uphill, first towards larger pictures
        while (beside := at(scale + step)) is not None and (here := at(scale)) is not None and beside.mse < here.mse:
            scale += step
    mean = _mean_colour(picture)
    best = at(scale)
    return best.data if best is not None and best.mse < mean.mse else mean.data


def decode_picture(data: bytes, height: int, width: int) -> Pixels | None:
    """The picture ``(height, width, 3)`` of a payload; ``None`` where it is not one.

    Never raises on any bytes. What is allocated follows from the size asked for alone, at most 16 megapixels.
    """
    if not data or height < 1 or width < 1 or height * width > MAX_PIXELS:
        return None
    if data[0] == MEAN_COLOUR:
        if len(data) != MEAN_COLOUR_BYTES:
            return None
        return np.broadcast_to(np.frombuffer(data[1:], dtype=np.uint8), (height, width, 3)).copy()
    scale, qp = _MODES[data[0]]
    small = decode_intra(data[1:], *_scaled_size(height, width, scale), qp)
    return None if small is None else _resize(small, height, width)


class DigitalPictureCodec:
    """Keyframes as a digital payload: intra coding, CRC, 5G channel coding and QAM.

    Implements :class:`lgvsc.core.interfaces.PictureCodec`. ``length`` is the payload in bytes, ``mode`` the index of
    the modulation and coding scheme.
    """

    name = "digital"
    codec = 0

    def encode(self, picture: Pixels, *, max_symbols: int, snr_db: float) -> CodedPicture:
        """The best picture that fits at the scheme which carries most at this SNR.

        Where not even a mean colour fits, nothing is sent: no symbols, length 0.
        """
        mcs = _scheme_for(max_symbols, snr_db)
        if mcs is None:
            return CodedPicture(torch.zeros(0, dtype=torch.complex64), self.codec, 0, 0)
        data = encode_picture(picture, max_payload_bits(max_symbols, mcs.index) // 8)
        bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
        usual = choose_mcs(len(bits), snr_db, "keyframes")  # the payload may be shorter than what would have fitted
        fits = symbol_count(len(bits), usual) <= max_symbols
        mcs = usual if fits else mcs_at(mcs.index, len(bits))
        expected = decode_picture(data, *picture.shape[:2])
        return CodedPicture(encode_bits(bits, mcs), self.codec, len(data), mcs.index, len(bits), expected)

    def symbol_count(self, length: int, mode: int, height: int, width: int) -> int:
        """Symbols of a payload of ``length`` bytes; the picture's size does not matter."""
        return symbol_count(8 * length, mcs_at(mode, 8 * length)) if length else 0

    def decode(self, received: Reception, length: int, mode: int, height: int, width: int) -> Pixels | None:
        """The picture, or ``None`` where a CRC fails or the payload is not a picture of this size."""
        if not 0 < length <= MAX_BYTES or not 0 <= mode < len(LADDER):
            return None
        bits = decode_bits(received, 8 * length, mcs_at(mode, 8 * length))
        return None if bits is None else decode_picture(np.packbits(bits).tobytes(), height, width)


@dataclass(frozen=True, slots=True, eq=False)
class _Try:
    """A payload and its error at full size."""

    data: bytes
    mse: float


_MODES: tuple[tuple[int, int], ...] = tuple(  # (index of the scale, quantiser) by first byte
    (scale, MAX_QP - count + 1 + step) for scale, (_, count) in enumerate(SCALES) for step in range(count)
)
_BYTE_OF = {mode: byte for byte, mode in enumerate(_MODES)}


def _scheme_for(max_symbols: int, snr_db: float) -> Mcs | None:
    """The scheme that carries the longest payload safely; the most robust where none is safe; ``None`` if too few."""
    schemes = []
    for index in range(len(LADDER)):
        payload_bits = max_payload_bits(max_symbols, index)
        if payload_bits >= 8 * MEAN_COLOUR_BYTES:
            mcs = mcs_at(index, payload_bits)
            schemes.append((required_snr_db(payload_bits, mcs, "keyframes") <= snr_db, payload_bits, mcs))
    safe = [(payload_bits, mcs.index) for is_safe, payload_bits, mcs in schemes if is_safe]
    if safe:
        payload_bits, index = max(safe)
        return mcs_at(index, payload_bits)
    return schemes[0][2] if schemes else None


def _best_at_scale(picture: Pixels, scale: int, max_bytes: int) -> _Try | None:
    """The finest quantiser that fits, found by interpolation: log size falls about linearly over the quantiser."""
    height, width = picture.shape[:2]
    small = _resize(picture, *_scaled_size(height, width, scale))
    coarsest, finest = MAX_QP, MAX_QP - SCALES[scale][1] + 1
    sizes: dict[int, int] = {}
    fitting: tuple[int, bytes] | None = None
    too_fine = finest - 1
    qp = min(max(_guess_qp(small, max_bytes), finest), coarsest)
    for _ in range(_MAX_ENCODES):
        data = encode_intra(small, qp)
        sizes[qp] = len(data) + 1
        if sizes[qp] <= max_bytes:
            fitting = (qp, data)
            if sizes[qp] >= _FULL_ENOUGH * max_bytes:
                break
        else:
            too_fine = qp
        roughest = fitting[0] if fitting else coarsest + 1
        if roughest - too_fine <= 1:
            break
        qp = min(max(_next_qp(sizes, max_bytes), too_fine + 1), roughest - 1)
    if fitting is None:
        return None
    qp, data = fitting
    shown = decode_picture(payload := bytes((_BYTE_OF[scale, qp],)) + data, height, width)
    return None if shown is None else _Try(payload, _mse(picture, shown))


def _guess_qp(picture: Pixels, max_bytes: int) -> int:
    """Photographs take about 0.15 bit per pixel at quantiser 42, and double every five steps."""
    bits_per_pixel = 8 * max_bytes / (picture.shape[0] * picture.shape[1])
    return round(42 - 5 * log2(bits_per_pixel / 0.15))


def _next_qp(sizes: dict[int, int], max_bytes: int) -> int:
    """Through the two nearest known sizes, or with the usual slope, rounded to the coarser side."""
    near = sorted(sizes, key=lambda qp: abs(log2(sizes[qp] / max_bytes)))
    slope = -1 / 5
    if len(near) > 1 and sizes[near[0]] != sizes[near[1]]:
        slope = min((log2(sizes[near[0]]) - log2(sizes[near[1]])) / (near[0] - near[1]), -1 / 12)
    return int(np.ceil(near[0] + log2(max_bytes / sizes[near[0]]) / slope - 0.1))


def _scaled_size(height: int, width: int, scale: int) -> tuple[int, int]:
    factor = min(SCALES[scale][0], MAX_SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _resize(picture: Pixels, height: int, width: int) -> Pixels:
    """Down by averaging the area that a pixel covers, up by bicubic interpolation."""
    if picture.shape[:2] == (height, width):
        return picture
    smaller = height * width < picture.shape[0] * picture.shape[1]
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    return resized.astype(np.uint8, copy=False)


def _mean_colour(picture: Pixels) -> _Try:
    colour = np.rint(picture.mean(axis=(0, 1))).astype(np.uint8)
    return _Try(bytes((MEAN_COLOUR,)) + colour.tobytes(), _mse(picture, np.broadcast_to(colour, picture.shape)))


def _mse(picture: Pixels, other: Pixels) -> float:
    return float(np.mean(np.square(picture.astype(np.float32) - other.astype(np.float32))))
