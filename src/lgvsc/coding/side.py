"""Side information as 32 bits: a motion score, a camera word, and how far the scene goes.

Steps are fine near zero, where a viewer sees a difference, and grow with the value, where nobody does:

| field | bits | finest step | largest value | relative step at the top |
|---|---|---|---|---|
| score | 6 | 0.06 px | 101 px | 8 % |
| camera | 3 | | | |
| pan, tilt | 8 each | 1/512 of the picture | 5.2 widths or heights | 4 % |
| zoom | 7 | 0.4 % | a factor of 13 | 6 % |
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lgvsc.core.message import CAMERAS, Motion
from lgvsc.errors import ShapeError

Bits = NDArray[np.uint8]  # 0/1, most significant first


@dataclass(frozen=True, slots=True)
class Scale:
    """Integers to values, ``step * (exp(growth |q|) - 1) / growth`` with the sign of ``q``.

    Attributes:
        bits: Width of the code. A signed code of ``n`` bits reaches from ``-(2^(n-1) - 1)`` to ``2^(n-1) - 1``.
        step: Value of the first step.
        growth: By how much, in logarithm, each step is larger than the one before.
        signed: Whether values have a sign.
    """

    bits: int
    step: float
    growth: float
    signed: bool = True

    @property
    def largest(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    def quantise(self, value: float) -> int:
        """The code whose value is nearest on the bent scale; too large values and infinities saturate."""
        if math.isnan(value):
            return 0
        steps = math.log1p(min(abs(value), 1e9) * self.growth / self.step) / self.growth
        code = min(round(steps), self.largest)
        return int(math.copysign(code, value)) if self.signed else (code if value > 0 else 0)

    def value(self, code: int) -> float:
        return math.copysign(self.step * math.expm1(self.growth * abs(code)) / self.growth, code) if code else 0.0


SCORE = Scale(6, 0.06, 0.0775, signed=False)
SHIFT = Scale(8, 1 / 512, 0.036)
ZOOM = Scale(7, 0.004, 0.058)
CAMERA_BITS = 3
WIDTHS = ((SCORE.bits, False), (CAMERA_BITS, False), (SHIFT.bits, True), (SHIFT.bits, True), (ZOOM.bits, True))
SIDE_BITS = sum(width for width, _ in WIDTHS)


def encode_motion(motion: Motion) -> Bits:
    """Side information as uint8 0/1, ``(SIDE_BITS,)``. Values beyond the scales saturate; NaN counts as zero."""
    return np.concatenate(
        [
            _to_bits(SCORE.quantise(motion.score), SCORE.bits),
            _to_bits(CAMERAS.index(motion.camera), CAMERA_BITS),
            _to_bits(SHIFT.quantise(motion.pan), SHIFT.bits),
            _to_bits(SHIFT.quantise(motion.tilt), SHIFT.bits),
            _to_bits(ZOOM.quantise(motion.zoom), ZOOM.bits),
        ]
    )


def decode_motion(bits: Bits) -> Motion:
    """What :func:`encode_motion` wrote. Any 32 bits mean something: the eighth camera word reads as "static".

    Raises:
        ShapeError: Not ``SIDE_BITS`` bits.
    """
    if bits.shape != (SIDE_BITS,):
        raise ShapeError(f"side information has {SIDE_BITS} bits, got an array of shape {bits.shape}")
    codes = []
    at = 0
    for width, signed in WIDTHS:
        codes.append(_from_bits(bits[at : at + width], signed))
        at += width
    score, camera, pan, tilt, zoom = codes
    return Motion(
        score=SCORE.value(score),
        camera=CAMERAS[camera] if camera < len(CAMERAS) else "static",
        pan=SHIFT.value(pan),
        tilt=SHIFT.value(tilt),
        zoom=ZOOM.value(zoom),
    )


def _to_bits(code: int, width: int) -> Bits:
    """Two's complement, most significant bit first."""
    return np.array([(code >> place) & 1 for place in reversed(range(width))], dtype=np.uint8)


def _from_bits(bits: Bits, signed: bool) -> int:
    code = int("".join("1" if bit else "0" for bit in bits), 2)
    if signed and bits[0]:
        return max(code - (1 << len(bits)), 1 - (1 << (len(bits) - 1)))  # the lowest code has no positive twin
    return code
