"""Side information as one block of bits: 32 for motion, 107 for colours, either or both.

Motion is a score, a camera word, and how far the scene goes:

| field | bits | finest step | largest value | relative step at the top |
|---|---|---|---|---|
| score | 6 | 0.06 px | 101 px | 8 % |
| camera | 3 | | | |
| pan, tilt | 8 each | 1/512 of the picture | 5.2 widths or heights | 4 % |
| zoom | 7 | 0.4 % | a factor of 13 | 6 % |
"""

from __future__ import annotations

import numpy as np

from lgvsc.coding.words.colours import COLOUR_BITS, decode_colours, encode_colours
from lgvsc.coding.words.scales import Bits, Scale, from_bits, to_bits
from lgvsc.core.message import CAMERAS, Motion
from lgvsc.core.video import Pixels
from lgvsc.errors import ShapeError

MOTION, COLOURS = 1, 2  # what a block holds, as control announces it

SCORE = Scale(6, 0.06, 0.0775, signed=False)
SHIFT = Scale(8, 1 / 512, 0.036)
ZOOM = Scale(7, 0.004, 0.058)
CAMERA_BITS = 3
WIDTHS = ((SCORE.bits, False), (CAMERA_BITS, False), (SHIFT.bits, True), (SHIFT.bits, True), (ZOOM.bits, True))
MOTION_BITS = sum(width for width, _ in WIDTHS)


def encode_motion(motion: Motion) -> Bits:
    """Side information as uint8 0/1, ``(MOTION_BITS,)``. Values beyond the scales saturate; NaN counts as zero."""
    return np.concatenate(
        [
            to_bits(SCORE.quantise(motion.score), SCORE.bits),
            to_bits(CAMERAS.index(motion.camera), CAMERA_BITS),
            to_bits(SHIFT.quantise(motion.pan), SHIFT.bits),
            to_bits(SHIFT.quantise(motion.tilt), SHIFT.bits),
            to_bits(ZOOM.quantise(motion.zoom), ZOOM.bits),
        ]
    )


def decode_motion(bits: Bits) -> Motion:
    """What :func:`encode_motion` wrote. Any 32 bits mean something: the eighth camera word reads as "static".

    Raises:
        ShapeError: Not ``MOTION_BITS`` bits.
    """
    if bits.shape != (MOTION_BITS,):
        raise ShapeError(f"side information has {MOTION_BITS} bits, got an array of shape {bits.shape}")
    codes = []
    at = 0
    for width, signed in WIDTHS:
        codes.append(from_bits(bits[at : at + width], signed))
        at += width
    score, camera, pan, tilt, zoom = codes
    return Motion(
        score=SCORE.value(score),
        camera=CAMERAS[camera] if camera < len(CAMERAS) else "static",
        pan=SHIFT.value(pan),
        tilt=SHIFT.value(tilt),
        zoom=ZOOM.value(zoom),
    )


def side_kinds(motion: Motion | None, colours: Pixels | None) -> int:
    """What a block of these holds, 0..3."""
    return MOTION * (motion is not None) + COLOURS * (colours is not None)


def side_bits(kinds: int) -> int:
    """Length of a block."""
    return MOTION_BITS * bool(kinds & MOTION) + COLOUR_BITS * bool(kinds & COLOURS)


def encode_side(motion: Motion | None, colours: Pixels | None) -> Bits:
    """The block, uint8 0/1, ``(side_bits(side_kinds(motion, colours)),)``."""
    parts = [np.zeros(0, np.uint8)]
    parts += [encode_motion(motion)] if motion is not None else []
    parts += [encode_colours(colours)] if colours is not None else []
    return np.concatenate(parts)


def decode_side(bits: Bits, kinds: int) -> tuple[Motion | None, Pixels | None]:
    """What :func:`encode_side` wrote. Any bits of the right number mean something.

    Raises:
        ShapeError: Not ``side_bits(kinds)`` bits.
    """
    at = side_bits(kinds & MOTION)
    motion = decode_motion(bits[:at]) if kinds & MOTION else None
    return motion, decode_colours(bits[at:]) if kinds & COLOURS else None
