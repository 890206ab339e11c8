"""Bits as channel symbols and back: modulation and coding schemes, segmentation, padding, QAM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, sqrt
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from lgvsc.channel.common import erase_bad, importing_sionna
from lgvsc.coding.modem.fec import (
    LDPC_CRC_BITS,
    MAX_POLAR_CODED_BITS,
    MAX_TURBO_BLOCK_BITS,
    POLAR_CRC_BITS,
    TURBO_CRC_BITS,
    Bits,
    Code,
    ldpc_code,
    ldpc_coded_bits,
    max_ldpc_block_bits,
    polar_code,
    turbo_code,
    turbo_coded_bits,
)
from lgvsc.coding.modem.interleaver import deinterleave, interleave
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from sionna.phy.mapping import Demapper, Mapper

CodeName: TypeAlias = Literal["polar", "ldpc", "turbo"]

LADDER: tuple[tuple[int, float], ...] = (  # (bits per symbol, code rate), a dB or 0.3 bit per symbol apart
    *((2, rate) for rate in (0.10, 0.13, 0.17, 0.22, 0.28, 0.35, 0.43, 0.53, 0.64)),
    *((4, rate) for rate in (0.385, 0.45, 0.515, 0.58, 0.65, 0.72)),
    *((6, rate) for rate in (0.53, 0.58, 0.63, 0.68, 0.73, 0.78, 0.83)),
    *((8, rate) for rate in (0.66, 0.70, 0.74, 0.785, 0.835)),
)
TABLE_1_LADDER: tuple[tuple[int, float], ...] = ((4, 3 / 4), (2, 3 / 4), (4, 1 / 2), (4, 2 / 3))
"""Modulation and LDPC rate of LGVSC's Table I, whatever the length; numbered on the air after the entries above."""
TURBO_INDEX = len(LADDER) + len(TABLE_1_LADDER)
"""Turbo code of rate 1/3 and QPSK: how GVSC sends text (Yin et al., section III)."""
MCS_COUNT = TURBO_INDEX + 1
MCS_BITS = 5  # that name one

MAX_POLAR_PAYLOAD_BITS = 480
SHORT_PAYLOAD_BITS = 176  # up to which polar codes are better than LDPC even where they repeat their word
POLAR_GRAIN_BITS = 8  # payloads are padded to multiples, so that few different codes need to be built
MIN_NOISE_VARIANCE = 1e-5  # below, LLRs are certain anyway and would only overflow
MAX_LLR = 100.0
DEMAP_SYMBOLS = 1 << 14  # at once; a demapper needs dozens of values for each
BATCH_CODED_BITS = 1 << 17  # coded or decoded at once


@dataclass(frozen=True, slots=True)
class Mcs:
    """A modulation and coding scheme.

    Attributes:
        index: 0..26: position in ``LADDER``, robust to fast; 27..31: what the papers use. All that the receiver must
            be told.
        code: Follows from index and payload length, see :func:`mcs_at`.
        bits_per_symbol: 2 (QPSK), 4, 6, 8 (256-QAM).
        code_rate: Payload and CRC bits over coded bits.
    """

    index: int
    code: CodeName
    bits_per_symbol: int
    code_rate: float

    @property
    def efficiency(self) -> float:
        """Payload and CRC bits per symbol."""
        return self.bits_per_symbol * self.code_rate


def mcs_at(index: int, payload_bits: int) -> Mcs:
    """Scheme ``index`` for a payload of this length, as both ends derive it.

    On the ladder, polar up to 176 bits, and up to 480 where the code word fits into one of 5G's; LDPC otherwise.
    """
    if not 0 <= index < MCS_COUNT:
        raise ConfigError(f"mcs is {index}; there are 0 to {MCS_COUNT - 1}")
    if payload_bits < 1:
        raise ConfigError(f"payload_bits is {payload_bits}; there must be at least one bit to send")
    if index == TURBO_INDEX:
        return Mcs(index, "turbo", 2, 1 / 3)
    if index >= len(LADDER):
        return Mcs(index, "ldpc", *TABLE_1_LADDER[index - len(LADDER)])
    bits_per_symbol, code_rate = LADDER[index]
    polar = Mcs(index, "polar", bits_per_symbol, code_rate)
    if payload_bits <= SHORT_PAYLOAD_BITS or (
        payload_bits <= MAX_POLAR_PAYLOAD_BITS and _layout(payload_bits, polar).coded_bits <= MAX_POLAR_CODED_BITS
    ):
        return polar
    return Mcs(index, "ldpc", bits_per_symbol, code_rate)


def symbol_count(payload_bits: int, mcs: Mcs) -> int:
    """How many symbols a payload takes, exactly: CRC, parity and padding included."""
    layout = _layout(payload_bits, mcs)
    return layout.blocks * layout.coded_bits // mcs.bits_per_symbol


def max_payload_bits(symbols: int, index: int) -> int:
    """The longest payload that entry ``index`` of the ladder sends in at most so many symbols; 0 where none fits.

    Raises:
        ConfigError: No such entry.
    """
    if not 0 <= index < len(LADDER):
        raise ConfigError(f"mcs is {index}; the ladder has entries 0 to {len(LADDER) - 1}")

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
    layout, code = _layout(len(bits), mcs), block_code(len(bits), mcs)
    padded = np.zeros((layout.blocks, layout.block_bits), dtype=np.uint8)
    padded.reshape(-1)[: len(bits)] = bits
    symbols = [modulate(code.encode(padded[some]).flatten(), mcs.bits_per_symbol) for some in layout.batches()]
    return interleave(torch.cat(symbols))


def decode_bits(received: Reception, payload_bits: int, mcs: Mcs) -> Bits | None:
    """Demodulate and decode a payload of known length.

    Args:
        received: At least ``symbol_count(payload_bits, mcs)`` symbols; later ones are ignored, missing ones erased.

    Returns:
        uint8 of 0 and 1, ``(payload_bits,)``; ``None`` where a CRC fails. About 2^-24 of wrong blocks pass.
    """
    pieces = []
    for bits, passes in decode_blocks(received, payload_bits, mcs):
        if not passes.all():
            return None
        pieces.append(bits.flatten())
    flat = np.concatenate(pieces)
    if flat[payload_bits:].any():  # padding is known to be zero
        return None
    return flat[:payload_bits]


def decode_blocks(
    received: Reception, payload_bits: int, mcs: Mcs
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Demodulate and decode a payload, a few of its code blocks at a time.

    Args:
        received: As for :func:`decode_bits`.

    Yields:
        The next blocks, uint8 ``(blocks, block_bits)``, and whether the CRC of each holds. Where nothing was heard at
        all, none does.
    """
    layout, count = _layout(payload_bits, mcs), symbol_count(payload_bits, mcs)
    heard, _ = erase_bad(received[:count])
    missing = count - len(heard)
    symbols = deinterleave(torch.cat([heard.symbols.to(torch.complex64), torch.zeros(missing, dtype=torch.complex64)]))
    noise = deinterleave(torch.cat([heard.noise_variance.float(), torch.full((missing,), torch.inf)]))
    code, block_symbols = block_code(payload_bits, mcs), layout.coded_bits // mcs.bits_per_symbol
    for some in layout.batches():
        span = slice(some.start * block_symbols, some.stop * block_symbols)
        llr = soft_bits(symbols[span], noise[span], mcs.bits_per_symbol).reshape(-1, layout.coded_bits)
        if bool(llr.any()):
            yield code.decode(llr)
        else:
            yield np.zeros((len(llr), layout.block_bits), dtype=np.uint8), np.zeros(len(llr), dtype=np.bool_)


def block_code(payload_bits: int, mcs: Mcs) -> Code:
    """The code of each of the blocks into which a payload is cut."""
    layout = _layout(payload_bits, mcs)
    if mcs.code == "polar":
        return polar_code(layout.block_bits, layout.coded_bits)
    if mcs.code == "turbo":
        return turbo_code(layout.block_bits)
    return ldpc_code(layout.block_bits, mcs.code_rate, mcs.bits_per_symbol)


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
    count = len(received) if symbols is None else symbols
    heard, _ = erase_bad(received[:count])
    llr = soft_bits(heard.symbols.to(torch.complex64), heard.noise_variance, bits_per_symbol)
    return pad(llr, (0, (count - len(heard)) * bits_per_symbol))


def soft_bits(symbols: Tensor, noise_variance: Tensor, bits_per_symbol: int) -> Tensor:
    """LLRs as of :func:`demodulate`, of symbols without NaN, each with its own N0, infinite for an erasure."""
    demapper = _demapper(bits_per_symbol)
    heard = noise_variance.isfinite()
    variance = noise_variance.where(heard, torch.ones(())).clamp(min=MIN_NOISE_VARIANCE, max=1e9)
    llr = torch.empty(len(symbols), bits_per_symbol // 2, 2)
    for start in range(0, len(symbols), DEMAP_SYMBOLS):
        some = slice(start, start + DEMAP_SYMBOLS)
        # In each dimension a square QAM is a PAM of half the energy, so both are scaled to energy one.
        levels = sqrt(2) * torch.view_as_real(symbols[some]).T.to(torch.complex64)
        values = demapper(levels, 2 * variance[some].expand(2, -1))
        llr[some] = values.unflatten(1, (-1, bits_per_symbol // 2)).permute(1, 2, 0)
    if not bool(heard.all()):
        llr *= heard[:, None, None]
    return llr.flatten().nan_to_num_(0.0).clamp_(-MAX_LLR, MAX_LLR)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a payload is cut: equal blocks of ``block_bits`` payload and padding, ``coded_bits`` each on the air."""

    blocks: int
    block_bits: int
    coded_bits: int

    def batches(self) -> Iterator[slice]:
        """Which blocks are handled together, so that memory does not grow with the payload."""
        step = max(1, BATCH_CODED_BITS // self.coded_bits)
        return (slice(start, min(start + step, self.blocks)) for start in range(0, self.blocks, step))


def _layout(payload_bits: int, mcs: Mcs) -> _Layout:
    if payload_bits < 1:
        raise ConfigError(f"payload_bits is {payload_bits}; there must be at least one bit to send")
    if mcs.code == "polar":
        if payload_bits > MAX_POLAR_PAYLOAD_BITS:
            raise ConfigError(f"{payload_bits} bits are too many for the polar code; take the scheme from mcs_at")
        block_bits = _ceil(payload_bits, POLAR_GRAIN_BITS)
        coded_bits = ceil((block_bits + POLAR_CRC_BITS) / mcs.code_rate)
        return _Layout(1, block_bits, _ceil(coded_bits, mcs.bits_per_symbol))
    if mcs.code == "turbo":
        blocks = -(-payload_bits // (MAX_TURBO_BLOCK_BITS - TURBO_CRC_BITS))
        block_bits = -(-payload_bits // blocks)
        return _Layout(blocks, block_bits, turbo_coded_bits(block_bits))
    blocks = -(-payload_bits // (max_ldpc_block_bits(mcs.code_rate) - LDPC_CRC_BITS))
    block_bits = -(-payload_bits // blocks)
    return _Layout(blocks, block_bits, ldpc_coded_bits(block_bits, mcs.code_rate, mcs.bits_per_symbol))


@lru_cache(maxsize=len(LADDER))
def _longest_polar_payload(index: int) -> int:
    return max(bits for bits in range(1, MAX_POLAR_PAYLOAD_BITS + 1) if mcs_at(index, bits).code == "polar")


def _ceil(value: int, step: int) -> int:
    return -(-value // step) * step


@lru_cache(maxsize=8)
def _mapper(bits_per_symbol: int) -> Mapper:
    with importing_sionna():
        from sionna.phy.mapping import Mapper
    return Mapper("qam", bits_per_symbol, device="cpu")


@lru_cache(maxsize=8)
def _demapper(bits_per_symbol: int) -> Demapper:
    with importing_sionna():
        from sionna.phy.mapping import Demapper
    return Demapper("app", "pam", bits_per_symbol // 2, device="cpu")
