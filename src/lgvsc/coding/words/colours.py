"""A colour layout as 107 bits: the low frequencies of an 8x8 picture, luma finer than chroma.

| coefficients, in zigzag order | bits each | finest step | largest value |
|---|---|---|---|
| luma, mean | 6 | 32 (4 levels of 255) | all of it |
| luma, the next 5 | 5 | 24 | 690 |
| luma, the next 9 | 4 | 24 | 225 |
| Cr and Cb, mean | 5 | 16 | 740 |
| Cr and Cb, the next 5 each | 3 | 24 | 117 |

Source: the idea is MPEG-7's colour layout descriptor (ISO/IEC 15938-3): a DCT of the mean colours of 8x8 cells, of
which a few coefficients are kept. Their number and steps are ours.
"""

from __future__ import annotations

import cv2
import numpy as np

from lgvsc.coding.words.scales import Bits, Scale, from_bits, to_bits
from lgvsc.core.message import COLOUR_CELLS
from lgvsc.core.video import Pixels
from lgvsc.errors import ShapeError

LUMA_MEAN_BITS, LUMA_MEAN_STEP = 6, 32
OFFSETS = (0, 128, 128)  # of Y, Cr, Cb
LUMA = (*5 * (Scale(5, 24, 0.08),), *9 * (Scale(4, 24, 0.08),))
CHROMA = (Scale(5, 16, 0.13), *5 * (Scale(3, 24, 0.3),))
COLOUR_BITS = LUMA_MEAN_BITS + sum(scale.bits for scale in (*LUMA, *CHROMA, *CHROMA))
ZIGZAG = sorted(np.ndindex(COLOUR_CELLS, COLOUR_CELLS), key=lambda at: (sum(at), at[sum(at) % 2]))
# Plane (Y, Cr, Cb), place in it and scale of every coefficient after the first, in the order sent.
SENT = [(0, at, scale) for at, scale in zip(ZIGZAG[1 : 1 + len(LUMA)], LUMA, strict=True)]
SENT += [(plane, at, scale) for plane in (1, 2) for at, scale in zip(ZIGZAG[: len(CHROMA)], CHROMA, strict=True)]


def encode_colours(colours: Pixels) -> Bits:
    """A colour layout, uint8 RGB ``(8, 8, 3)``, as uint8 0/1, ``(COLOUR_BITS,)``."""
    if colours.shape != (COLOUR_CELLS, COLOUR_CELLS, 3):
        raise ShapeError(f"a colour layout has {COLOUR_CELLS}x{COLOUR_CELLS} cells, got an array of {colours.shape}")
    planes = cv2.split(cv2.cvtColor(colours, cv2.COLOR_RGB2YCrCb).astype(np.float32))
    waves = [cv2.dct(plane - offset) for plane, offset in zip(planes, OFFSETS, strict=True)]
    mean = min(round(float(waves[0][0, 0]) / LUMA_MEAN_STEP), (1 << LUMA_MEAN_BITS) - 1)
    parts = [to_bits(mean, LUMA_MEAN_BITS)]
    parts += [to_bits(scale.quantise(float(waves[plane][at])), scale.bits) for plane, at, scale in SENT]
    return np.concatenate(parts)


def decode_colours(bits: Bits) -> Pixels:
    """What :func:`encode_colours` wrote, uint8 RGB ``(8, 8, 3)``. Any bits mean some colours.

    Raises:
        ShapeError: Not ``COLOUR_BITS`` bits.
    """
    if bits.shape != (COLOUR_BITS,):
        raise ShapeError(f"a colour layout has {COLOUR_BITS} bits, got an array of shape {bits.shape}")
    waves = np.zeros((3, COLOUR_CELLS, COLOUR_CELLS), np.float32)
    waves[0, 0, 0] = LUMA_MEAN_STEP * from_bits(bits[:LUMA_MEAN_BITS], signed=False)
    start = LUMA_MEAN_BITS
    for plane, at, scale in SENT:
        waves[plane][at] = scale.value(from_bits(bits[start : start + scale.bits], signed=True))
        start += scale.bits
    planes = [cv2.idct(wave) + offset for wave, offset in zip(waves, OFFSETS, strict=True)]
    layout = np.clip(np.rint(cv2.merge(planes)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(layout, cv2.COLOR_YCrCb2RGB), np.uint8)
