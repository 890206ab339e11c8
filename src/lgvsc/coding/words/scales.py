"""Numbers as few bits: fine steps near zero, where a viewer sees a difference, coarse ones far from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def to_bits(code: int, width: int) -> Bits:
    """Two's complement, most significant bit first."""
    return np.array([(code >> place) & 1 for place in reversed(range(width))], dtype=np.uint8)


def from_bits(bits: Bits, signed: bool) -> int:
    """The integer that some bits stand for."""
    code = int("".join("1" if bit else "0" for bit in bits), 2)
    if signed and bits[0]:
        return max(code - (1 << len(bits)), 1 - (1 << (len(bits) - 1)))  # the lowest code has no positive twin
    return code
