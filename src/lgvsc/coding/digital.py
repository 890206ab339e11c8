"""Bits as channel symbols and back: modulation and coding schemes, segmentation, padding, QAM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from lgvsc.channel.common import erase_bad
from lgvsc.coding.fec import (
    LDPC_CRC_BITS,
    MAX_POLAR_CODED_BITS,
    POLAR_CRC_BITS,
    Bits,
    LdpcCode,
    PolarCode,
    keeping_random_state,
    ldpc_code,
    max_ldpc_block_bits,
    polar_code,
)
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from sionna.phy.mapping import Demapper, Mapper

Code: TypeAlias = Literal["polar", "ldpc"]

LADDER: tuple[tuple[int, float], ...] = (  # (bits per symbol, code rate), steps of one to two dB
    *((2, rate) for rate in (0.21, 0.27, 0.34, 0.43, 0.53, 0.64)),
    *((4, rate) for rate in (0.40, 0.50, 0.61, 0.70)),
    *((6, rate) for rate in (0.50, 0.59, 0.68, 0.78)),
    *((8, rate) for rate in (0.69, 0.82)),
)
MAX_POLAR_PAYLOAD_BITS = 480
POLAR_GRAIN_BITS = 8  # payloads are padded to multiples, so that few different codes need to be built
LDPC_GRAINS = ((1024, 32), (4096, 64), (8448, 128))  # (blocks up to so many bits, padded to multiples of)
MIN_NOISE_VARIANCE = 1e-5  # below, LLRs are certain anyway and would only overflow
MAX_LLR = 100.0
DEMAP_SYMBOLS = 1 << 14  # at once; a demapper needs hundreds of values for each


@dataclass(frozen=True, slots=True)
class Mcs:
    """A modulation and coding scheme.

    Attributes:
        index: Position in ``LADDER``, 0..15, robust to fast. All that the receiver must be told.
        code: Follows from index and payload length, see :func:`mcs_at`.
        bits_per_symbol: 2 (QPSK), 4, 6, 8 (256-QAM).
        code_rate: Payload and CRC bits over coded bits.
    """

    index: int
    code: Code
    bits_per_symbol: int
    code_rate: float

    @property
    def efficiency(self) -> float:
        """Payload and CRC bits per symbol."""
        return self.bits_per_symbol * self.code_rate


def mcs_at(index: int, payload_bits: int) -> Mcs:
    """Entry ``index`` of the ladder for a payload of this length, as both ends derive it.

    Polar up to 480 bits where the code word fits into one of 5G's; LDPC otherwise.
    """
    if not 0 <= index < len(LADDER):
        raise ConfigError(f"mcs is {index}; the ladder has entries 0 to {len(LADDER) - 1}")
    if payload_bits < 1:
        raise ConfigError(f"payload_bits is {payload_bits}; there must be at least one bit to send")
    bits_per_symbol, code_rate = LADDER[index]
    polar = Mcs(index, "polar", bits_per_symbol, code_rate)
    if payload_bits <= MAX_POLAR_PAYLOAD_BITS and _layout(payload_bits, polar).coded_bits <= MAX_POLAR_CODED_BITS:
        return polar
    return Mcs(index, "ldpc", bits_per_symbol, code_rate)


def symbol_count(payload_bits: int, mcs: Mcs) -> int:
    """How many symbols a payload takes, exactly: CRC, parity and padding included."""
    layout = _layout(payload_bits, mcs)
    return layout.blocks * layout.coded_bits // mcs.bits_per_symbol


def max_payload_bits(symbols: int, index: int) -> int:
    """The longest payload that entry ``index`` of the ladder sends in at most so many symbols; 0 where none fits."""

    def fits(payload_bits: int) -> bool:
        return symbol_count(payload_bits, mcs_at(index, payload_bits)) <= symbols

    bits_per_symbol, _ = LADDER[index]
    polar = _longest_polar_payload(index)
    # Symbols grow with the payload within each code, not across the change from one code to the other.
    for low, high in ((polar + 1, max(polar + 1, symbols * bits_per_symbol)), (1, polar)):
        if not fits(low):
            continue
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle) else (low, middle - 1)
        return low
    return 0


def encode_bits(bits: Bits, mcs: Mcs) -> Tensor:
    """Code and modulate a payload.

    Args:
        bits: uint8 of 0 and 1, ``(n,)``, n at least 1.
        mcs: From ``choose_mcs`` or :func:`mcs_at`, for this length.

    Returns:
        complex64 ``(symbol_count(n, mcs),)``, mean energy one over the constellation.

    Raises:
        ShapeError: ``bits`` is not a vector of 0 and 1. ConfigError: the scheme does not suit the length.
    """
    if bits.ndim != 1 or bits.size == 0 or bits.max() > 1:
        raise ShapeError(f"encode_bits needs a vector of 0 and 1, got shape {bits.shape} of {bits.dtype}")
    layout = _layout(len(bits), mcs)
    padded = np.zeros(layout.blocks * layout.block_bits, dtype=np.uint8)
    padded[: len(bits)] = bits
    coded = block_code(len(bits), mcs).encode(padded.reshape(layout.blocks, layout.block_bits))
    return modulate(coded.flatten(), mcs.bits_per_symbol)


def decode_bits(received: Reception, payload_bits: int, mcs: Mcs) -> Bits | None:
    """Demodulate and decode a payload of known length.

    Args:
        received: At least ``symbol_count(payload_bits, mcs)`` symbols; later ones are ignored, missing ones erased.

    Returns:
        uint8 of 0 and 1, ``(payload_bits,)``; ``None`` where a CRC fails. About 2^-24 of wrong blocks pass.
    """
    layout = _layout(payload_bits, mcs)
    llr = demodulate(received, mcs.bits_per_symbol, symbols=symbol_count(payload_bits, mcs))
    if not bool(llr.any()):
        return None  # nothing was heard
    bits, passes = block_code(payload_bits, mcs).decode(llr.reshape(layout.blocks, layout.coded_bits))
    flat = bits.flatten()
    if not passes.all() or flat[payload_bits:].any():  # padding is known to be zero
        return None
    return flat[:payload_bits]


def block_code(payload_bits: int, mcs: Mcs) -> PolarCode | LdpcCode:
    """The code of each of the blocks into which a payload is cut."""
    layout = _layout(payload_bits, mcs)
    if mcs.code == "polar":
        return polar_code(layout.block_bits, layout.coded_bits)
    return ldpc_code(layout.block_bits, layout.coded_bits, mcs.bits_per_symbol)


def block_count(payload_bits: int, mcs: Mcs) -> int:
    """Into how many equal blocks a payload is cut. One lost block loses the payload."""
    return _layout(payload_bits, mcs).blocks


def modulate(bits: Tensor, bits_per_symbol: int) -> Tensor:
    """Gray-mapped QAM of 5G (3GPP TS 38.211, 5.1): float bits ``(n,)`` to complex64 ``(n / bits_per_symbol,)``."""
    symbols: Tensor = _mapper(bits_per_symbol)(bits.unsqueeze(0))[0]
    return symbols


def demodulate(received: Reception, bits_per_symbol: int, symbols: int | None = None) -> Tensor:
    """LLRs ``ln P(1) - ln P(0)`` of every bit, float32 ``(symbols * bits_per_symbol,)``.

    Erasures, and symbols beyond the end of ``received``, have LLR 0. Nothing received raises.
    """
    received, _ = erase_bad(received[: len(received) if symbols is None else symbols])
    llr = torch.zeros((len(received) if symbols is None else symbols) * bits_per_symbol)
    demapper = _demapper(bits_per_symbol)
    for start in range(0, len(received), DEMAP_SYMBOLS):
        piece = received[start : start + DEMAP_SYMBOLS]
        heard = torch.isfinite(piece.noise_variance)
        variance = piece.noise_variance.where(heard, torch.ones(())).clamp(min=MIN_NOISE_VARIANCE, max=1e9)
        values = demapper(piece.symbols.to(torch.complex64).unsqueeze(0), variance.unsqueeze(0))[0]
        values = values.unflatten(0, (-1, bits_per_symbol)) * heard.unsqueeze(1)
        llr[start * bits_per_symbol :][: values.numel()] = values.flatten().nan_to_num(0.0)
    return llr.clamp(-MAX_LLR, MAX_LLR)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a payload is cut: equal blocks of ``block_bits`` payload and padding, ``coded_bits`` each on the air."""

    blocks: int
    block_bits: int
    coded_bits: int


def _layout(payload_bits: int, mcs: Mcs) -> _Layout:
    if payload_bits < 1:
        raise ConfigError(f"payload_bits is {payload_bits}; there must be at least one bit to send")
    if mcs.code == "polar":
        if payload_bits > MAX_POLAR_PAYLOAD_BITS:
            raise ConfigError(f"{payload_bits} bits are too many for the polar code; take the scheme from mcs_at")
        blocks, crc_bits = 1, POLAR_CRC_BITS
        inner = _ceil(payload_bits, POLAR_GRAIN_BITS) + crc_bits
    else:
        crc_bits = LDPC_CRC_BITS
        limit = max_ldpc_block_bits(mcs.code_rate)
        blocks = -(-payload_bits // (limit - crc_bits))
        inner = -(-payload_bits // blocks) + crc_bits
        inner = min(limit, _ceil(inner, next(grain for longest, grain in LDPC_GRAINS if inner <= longest)))
    coded_bits = _ceil(int(np.ceil(inner / mcs.code_rate)), mcs.bits_per_symbol)
    return _Layout(blocks, inner - crc_bits, coded_bits)


@lru_cache(maxsize=len(LADDER))
def _longest_polar_payload(index: int) -> int:
    return max(bits for bits in range(1, MAX_POLAR_PAYLOAD_BITS + 1) if mcs_at(index, bits).code == "polar")


def _ceil(value: int, step: int) -> int:
    return -(-value // step) * step


@lru_cache(maxsize=8)
def _mapper(bits_per_symbol: int) -> Mapper:
    with keeping_random_state():
        from sionna.phy.mapping import Mapper
    return Mapper("qam", bits_per_symbol, device="cpu")


@lru_cache(maxsize=8)
def _demapper(bits_per_symbol: int) -> Demapper:
    with keeping_random_state():
        from sionna.phy.mapping import Demapper
    return Demapper("app", "qam", bits_per_symbol, device="cpu")
