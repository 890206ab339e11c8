"""Error-correcting codes: 5G polar and 5G LDPC blocks, each with the CRC that tells whether it was decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.errors import ConfigError

if TYPE_CHECKING:
    from sionna.phy.fec.ldpc import LDPC5GDecoder

Bits = NDArray[np.uint8]

POLAR_CRC_BITS = 16 + 11  # ours, and the one that the standard builds in, which the list decoder uses up
LDPC_CRC_BITS = 24
MAX_POLAR_CODED_BITS = 1088  # of one 5G code word; longer ones repeat a word of 1024
LIST_SIZE = 8
LDPC_ITERATIONS = (6, 14)  # most blocks are right after the first few, the others go on


class PolarCode:
    """CRC-aided 5G polar code (uplink, 3GPP TS 38.212, 5.3.1), decoded by successive cancellation lists of 8.

    The built-in CRC of 11 bits picks one of 8 candidates, which leaves some 2^-8 of wrong words undetected.
    A CRC of 16 bits inside brings that to about 2^-24.

    Args:
        payload_bits: At least 4.
        coded_bits: Above 1088, a word of 1024 is sent on in a circle, and the receiver adds what it gets twice.
    """

    def __init__(self, payload_bits: int, coded_bits: int) -> None:
        self.payload_bits, self.coded_bits = payload_bits, coded_bits
        with keeping_random_state():
            from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
            from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder
        self._word_bits = coded_bits if coded_bits <= MAX_POLAR_CODED_BITS else 1024
        self._crc = CRCEncoder("CRC16", k=payload_bits, device="cpu")
        self._check = CRCDecoder(self._crc, device="cpu")
        self._encoder = Polar5GEncoder(payload_bits + 16, self._word_bits, check_input=False, device="cpu")
        self._decoder = Polar5GDecoder(self._encoder, "SCL", LIST_SIZE, return_crc_status=True, device="cpu")
        self._white = _white(payload_bits + 16)

    def encode(self, bits: Bits) -> Tensor:
        """Payloads ``(blocks, payload_bits)`` to code words, float32 of 0 and 1, ``(blocks, coded_bits)``."""
        word: Tensor = self._encoder(_whitened(self._crc(_floats(bits)), self._white))
        return word.repeat(1, -(-self.coded_bits // self._word_bits))[:, : self.coded_bits]

    def decode(self, llr: Tensor) -> tuple[Bits, NDArray[np.bool_]]:
        """LLRs ``(blocks, coded_bits)`` to payloads ``(blocks, payload_bits)`` and whether each CRC holds."""
        turns = -(-self.coded_bits // self._word_bits)
        filled = torch.nn.functional.pad(llr, (0, turns * self._word_bits - self.coded_bits))
        inner, passes = self._decoder(filled.unflatten(1, (turns, self._word_bits)).sum(1))
        bits, agrees = self._check(_whitened(inner, self._white))
        return _bits(bits), (passes & agrees.squeeze(-1)).numpy()


class LdpcCode:
    """5G LDPC code (3GPP TS 38.212, 5.3.2) with a CRC of 24 bits: 2^-24 of wrong words go undetected.

    Decoded by belief propagation, all blocks for 6 iterations, those that fail their CRC for 14 more.
    """

    def __init__(self, payload_bits: int, coded_bits: int, bits_per_symbol: int) -> None:
        self.payload_bits, self.coded_bits = payload_bits, coded_bits
        with keeping_random_state():
            from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
            from sionna.phy.fec.ldpc import LDPC5GEncoder
        inner = payload_bits + LDPC_CRC_BITS
        self._crc = CRCEncoder("CRC24B", k=payload_bits, device="cpu")
        self._check = CRCDecoder(self._crc, device="cpu")
        self._encoder = LDPC5GEncoder(inner, coded_bits, bits_per_symbol, check_input=False, device="cpu")
        self._white = _white(inner)

    @cached_property
    def _decoder(self) -> LDPC5GDecoder:
        """Takes three times as long to build as the encoder, and a transmitter needs none."""
        from sionna.phy.fec.ldpc import LDPC5GDecoder

        return LDPC5GDecoder(self._encoder, hard_out=True, return_state=True, device="cpu")

    def encode(self, bits: Bits) -> Tensor:
        """Payloads ``(blocks, payload_bits)`` to code words, float32 of 0 and 1, ``(blocks, coded_bits)``."""
        word: Tensor = self._encoder(_whitened(self._crc(_floats(bits)), self._white))
        return word

    def decode(self, llr: Tensor) -> tuple[Bits, NDArray[np.bool_]]:
        """LLRs ``(blocks, coded_bits)`` to payloads ``(blocks, payload_bits)`` and whether each CRC holds."""
        payloads = np.zeros((len(llr), self.payload_bits), dtype=np.uint8)
        passes = np.zeros(len(llr), dtype=np.bool_)
        for block, values in enumerate(llr.split(1)):  # batches save no time here and cost memory
            state = None
            for iterations in LDPC_ITERATIONS:
                inner, state = self._decoder(values, num_iter=iterations, msg_v2c=state)
                bits, agrees = self._check(_whitened(inner, self._white))
                passes[block] = bool(agrees)
                if passes[block]:
                    break
            payloads[block] = _bits(bits)[0]
        return payloads, passes


def max_ldpc_block_bits(code_rate: float) -> int:
    """Payload and CRC bits of the longest LDPC block: base graph 1 holds 8448 but no rate below 1/3."""
    return 8448 if code_rate > 1 / 3 else 3808


@lru_cache(maxsize=64)
def polar_code(payload_bits: int, coded_bits: int) -> PolarCode:
    """The polar code of this size, kept for the next block of the same size."""
    if payload_bits < 4 or payload_bits + POLAR_CRC_BITS > min(coded_bits, 1024):
        raise ConfigError(f"no polar code has {payload_bits} payload bits in {coded_bits}")
    return PolarCode(payload_bits, coded_bits)


@lru_cache(maxsize=6)  # a long one takes 15 MB
def ldpc_code(payload_bits: int, coded_bits: int, bits_per_symbol: int) -> LdpcCode:
    """The LDPC code of this size, kept for the next block of the same size."""
    inner = payload_bits + LDPC_CRC_BITS
    if payload_bits < 1 or inner > max_ldpc_block_bits(inner / coded_bits) or not 0.2 <= inner / coded_bits <= 0.95:
        raise ConfigError(f"no LDPC code has {payload_bits} payload bits in {coded_bits}")
    return LdpcCode(payload_bits, coded_bits, bits_per_symbol)


@contextmanager
def keeping_random_state() -> Iterator[None]:
    """Undo what importing Sionna does to PyTorch's global generator, which it seeds at random."""
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _white(count: int) -> Tensor:
    """A fixed sequence of 0 and 1 by which payload and CRC are flipped before they are coded.

    Without it, code words of mere zeros would be valid, and a receiver that hears nothing, whose LLRs are all
    0, would decode a payload of zeros with a CRC that holds. It also keeps the mean energy of QAM near one.
    """
    words = np.random.Philox(key=38212).random_raw(-(-count // 64)).astype("<u8")
    return _floats(np.unpackbits(words.view(np.uint8))[:count])


def _whitened(bits: Tensor, white: Tensor) -> Tensor:
    return (bits - white).abs()


def _floats(bits: Bits) -> Tensor:
    return torch.from_numpy(bits.astype(np.float32))


def _bits(values: Tensor) -> Bits:
    return values.numpy().round().astype(np.uint8)
