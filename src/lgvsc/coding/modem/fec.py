"""Error-correcting codes: 5G polar, 5G LDPC and turbo blocks, each with the CRC that tells whether it was decoded."""

from __future__ import annotations

from functools import cached_property, lru_cache
from math import ceil
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from lgvsc.channel.common import importing_sionna
from lgvsc.coding.modem.ldpc_tables import quickly_built_decoder
from lgvsc.errors import ConfigError

if TYPE_CHECKING:
    from sionna.phy.fec.ldpc import LDPC5GDecoder
    from sionna.phy.fec.turbo import TurboDecoder, TurboEncoder

Bits = NDArray[np.uint8]

POLAR_CRC_BITS = 16 + 11  # ours, and the one that the standard builds in, which the list decoder uses up
LDPC_CRC_BITS = 24
MAX_POLAR_CODED_BITS = 1088  # of one 5G code word; longer ones repeat a word of 1024
LIST_SIZE = 8
LDPC_ITERATIONS = (5, 3, 4, 8)  # of 20, the CRC is looked at after each of these
MIN_LDPC_RATE, MAX_LDPC_RATE = 0.05, 0.92
MAX_LDPC_SPREAD = 5  # coded bits over information bits, beyond which 5G repeats
CERTAIN_LLR = 20.0  # to which Sionna's decoders clip

TURBO_CRC_BITS = 24
TURBO_TAIL_BITS = 12
TURBO_ITERATIONS = 8
MAX_TURBO_BLOCK_BITS = 6144


class PolarCode:
    """CRC-aided 5G polar code (uplink, 3GPP TS 38.212, 5.3.1), decoded by successive cancellation lists of 8.

    The built-in CRC of 11 bits picks one of 8 candidates, which leaves some 2^-8 of wrong words undetected.
    A CRC of 16 bits inside brings that to about 2^-24.

    Args:
        payload_bits: At least 4.
        coded_bits: Above 1088, a word of 1024 is sent on in a circle, and the receiver adds what it gets twice. One
            that is sent more than twice is whitened otherwise, lest its beginning pass for a shorter one.
    """

    def __init__(self, payload_bits: int, coded_bits: int) -> None:
        self.payload_bits, self.coded_bits = payload_bits, coded_bits
        with importing_sionna():
            from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
            from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder
        self._word_bits = coded_bits if coded_bits <= MAX_POLAR_CODED_BITS else 1024
        self._crc = CRCEncoder("CRC16", k=payload_bits, device="cpu")
        self._check = CRCDecoder(self._crc, device="cpu")
        self._encoder = Polar5GEncoder(payload_bits + 16, self._word_bits, check_input=False, device="cpu")
        self._decoder = Polar5GDecoder(self._encoder, "SCL", LIST_SIZE, return_crc_status=True, device="cpu")
        self._turns = -(-coded_bits // self._word_bits)
        self._white = _white(payload_bits + 16, self._turns // 3)

    def encode(self, bits: Bits) -> Tensor:
        """Payloads ``(blocks, payload_bits)`` to code words, float32 of 0 and 1, ``(blocks, coded_bits)``."""
        word: Tensor = self._encoder(_whitened(self._crc(_floats(bits)), self._white))
        return word.repeat(1, self._turns)[:, : self.coded_bits]

    def decode(self, llr: Tensor) -> tuple[Bits, NDArray[np.bool_]]:
        """LLRs ``(blocks, coded_bits)`` to payloads ``(blocks, payload_bits)`` and whether each CRC holds."""
        filled = pad(llr, (0, self._turns * self._word_bits - self.coded_bits))
        inner, passes = self._decoder(filled.unflatten(1, (self._turns, self._word_bits)).sum(1))
        bits, agrees = self._check(_whitened(inner, self._white))
        return _bits(bits), (passes & agrees.squeeze(-1)).numpy()


class LdpcCode:
    """5G LDPC code (3GPP TS 38.212, 5.3.2 and 5.4.2) with a CRC of 24 bits: 2^-24 of wrong words go undetected.

    Lengths in between are those of the next :class:`_LdpcGraph` of a coarse grid. As the standard does it, the
    information is filled up with zeros that are not sent, what is too long is punctured from the end, and rates
    below 1/5 send the code word on in a circle. So no length costs symbols, and few graphs serve all.

    Decoded by belief propagation of at most 20 iterations; a block stops as soon as its CRC holds.

    Args:
        payload_bits: At least 1.
        code_rate: Payload and CRC bits over coded bits, before they are rounded up to whole symbols.
        bits_per_symbol: Coded bits are interleaved over the bits of a symbol (5.4.2.2).
    """

    def __init__(self, payload_bits: int, code_rate: float, bits_per_symbol: int) -> None:
        self.payload_bits, self._bits_per_symbol = payload_bits, bits_per_symbol
        self._inner = payload_bits + LDPC_CRC_BITS
        self.coded_bits = ldpc_coded_bits(payload_bits, code_rate, bits_per_symbol)
        size = _graph_bits(self._inner, code_rate)
        self._filler = size - self._inner
        longest = max(self.coded_bits + self._filler, ceil(size / code_rate))
        self._graph = _ldpc_graph(size, min(longest, MAX_LDPC_SPREAD * size))
        self._sent, self._known = self._rate_matching()
        with importing_sionna():
            from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
        self._crc = CRCEncoder("CRC24B", k=payload_bits, device="cpu")
        self._check = CRCDecoder(self._crc, device="cpu")
        self._white = _white(self._inner)

    def encode(self, bits: Bits) -> Tensor:
        """Payloads ``(blocks, payload_bits)`` to code words, float32 of 0 and 1, ``(blocks, coded_bits)``."""
        inner = _whitened(self._crc(_floats(bits)), self._white)
        word: Tensor = self._graph.encoder(pad(inner, (0, self._filler)))
        return word.index_select(1, self._sent)

    def decode(self, llr: Tensor) -> tuple[Bits, NDArray[np.bool_]]:
        """LLRs ``(blocks, coded_bits)`` to payloads ``(blocks, payload_bits)`` and whether each CRC holds."""
        payloads = np.zeros((len(llr), self.payload_bits), dtype=np.uint8)
        passes = np.zeros(len(llr), dtype=np.bool_)
        words = self._known.expand(len(llr), -1).clone().index_add_(1, self._sent, llr)  # a bit sent twice counts twice
        for block, word in enumerate(words.split(1)):  # batches save no time here, and each block stops by itself
            state = None
            for iterations in LDPC_ITERATIONS:
                inner, state = self._graph.decoder(word, num_iter=iterations, msg_v2c=state)
                bits, agrees = self._check(_whitened(inner[:, : self._inner], self._white))
                passes[block] = bool(agrees)
                if passes[block]:
                    break
            payloads[block] = _bits(bits)[0]
        return payloads, passes

    def _rate_matching(self) -> tuple[Tensor, Tensor]:
        """Which bits of the graph's code word are sent, in order, and LLRs of what is known without hearing: filler."""
        heard = self._inner - self._graph.hidden  # systematic bits on the air
        word = np.concatenate([np.arange(heard), np.arange(heard + self._filler, self._graph.coded_bits)])
        coded = np.resize(word[: self.coded_bits], self.coded_bits)  # in a circle where the word is too short
        known = torch.zeros(1, self._graph.coded_bits)
        known[:, heard : heard + self._filler] = -CERTAIN_LLR
        return torch.from_numpy(coded.reshape(self._bits_per_symbol, -1).T.flatten()), known


class TurboCode:
    """LTE's turbo code of rate 1/3 (3GPP TS 36.212, 5.1.3.2) with a CRC of 24 bits, as GVSC protects its text.

    Each of the two convolutional codes is terminated, which takes 12 coded bits. Decoded by 8 turns of BCJR, slowly:
    Sionna walks through the trellis in Python.
    """

    def __init__(self, payload_bits: int) -> None:
        self.payload_bits = payload_bits
        self.coded_bits = turbo_coded_bits(payload_bits)
        self._inner = payload_bits + TURBO_CRC_BITS
        with importing_sionna():
            from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
        self._crc = CRCEncoder("CRC24A", k=payload_bits, device="cpu")
        self._check = CRCDecoder(self._crc, device="cpu")
        self._white = _white(self._inner)

    def encode(self, bits: Bits) -> Tensor:
        """Payloads ``(blocks, payload_bits)`` to code words, float32 of 0 and 1, ``(blocks, coded_bits)``."""
        word: Tensor = _turbo()[0](_whitened(self._crc(_floats(bits)), self._white))
        return pad(word.float(), (0, self.coded_bits - word.shape[1]))

    def decode(self, llr: Tensor) -> tuple[Bits, NDArray[np.bool_]]:
        """LLRs ``(blocks, coded_bits)`` to payloads ``(blocks, payload_bits)`` and whether each CRC holds."""
        inner = _turbo()[1](llr[:, : 3 * self._inner + TURBO_TAIL_BITS])
        bits, agrees = self._check(_whitened(inner, self._white))
        return _bits(bits), agrees.squeeze(-1).numpy()


Code: TypeAlias = PolarCode | LdpcCode | TurboCode


def max_ldpc_block_bits(code_rate: float) -> int:
    """Payload and CRC bits of the longest LDPC block: base graph 1 holds 8448 but no rate below 1/3."""
    return 8448 if code_rate > 1 / 3 else 3824


def ldpc_coded_bits(payload_bits: int, code_rate: float, bits_per_symbol: int) -> int:
    """Bits of a code word on the air: whole symbols."""
    return ceil((payload_bits + LDPC_CRC_BITS) / code_rate / bits_per_symbol) * bits_per_symbol


def turbo_coded_bits(payload_bits: int) -> int:
    """Bits of a code word on the air, even for QPSK: at most one is padding."""
    coded_bits = 3 * (payload_bits + TURBO_CRC_BITS) + TURBO_TAIL_BITS
    return coded_bits + coded_bits % 2


@lru_cache(maxsize=64)
def polar_code(payload_bits: int, coded_bits: int) -> PolarCode:
    """The polar code of this size, kept for the next block of the same size."""
    if payload_bits < 4 or payload_bits + POLAR_CRC_BITS > min(coded_bits, 1024):
        raise ConfigError(f"no polar code has {payload_bits} payload bits in {coded_bits}")
    return PolarCode(payload_bits, coded_bits)


@lru_cache(maxsize=64)
def ldpc_code(payload_bits: int, code_rate: float, bits_per_symbol: int) -> LdpcCode:
    """The LDPC code of this size, kept for the next block of the same size."""
    if (
        payload_bits < 1
        or not MIN_LDPC_RATE <= code_rate <= MAX_LDPC_RATE
        or payload_bits + LDPC_CRC_BITS > max_ldpc_block_bits(code_rate)
    ):
        raise ConfigError(f"no LDPC code has {payload_bits} payload bits at rate {code_rate:.3g}")
    return LdpcCode(payload_bits, code_rate, bits_per_symbol)


@lru_cache(maxsize=64)
def turbo_code(payload_bits: int) -> TurboCode:
    """The turbo code of this size."""
    if not 1 <= payload_bits <= MAX_TURBO_BLOCK_BITS - TURBO_CRC_BITS:
        raise ConfigError(f"no turbo code has {payload_bits} payload bits; its interleaver ends at 6144 with the CRC")
    return TurboCode(payload_bits)


class _LdpcGraph:
    """One of Sionna's LDPC codes, which :class:`LdpcCode` shortens and punctures.

    Attributes:
        coded_bits: Of the code word, without the first ``hidden`` information bits, which 5G never sends.
    """

    def __init__(self, information_bits: int, coded_bits: int) -> None:
        with importing_sionna():
            from sionna.phy.fec.ldpc import LDPC5GEncoder
        self.encoder = LDPC5GEncoder(information_bits, coded_bits, check_input=False, device="cpu")
        self.coded_bits = coded_bits
        self.hidden: int = 2 * self.encoder.z

    @cached_property
    def decoder(self) -> LDPC5GDecoder:
        """Takes three times as long to build as the encoder, and a transmitter needs none."""
        return quickly_built_decoder()(self.encoder, hard_out=True, return_state=True, device="cpu")


@lru_cache(maxsize=12)  # a long one takes 12 MB
def _ldpc_graph(information_bits: int, coded_bits: int) -> _LdpcGraph:
    return _LdpcGraph(information_bits, coded_bits)


@lru_cache(maxsize=1)
def _turbo() -> tuple[TurboEncoder, TurboDecoder]:
    """One of each serves all lengths."""
    with importing_sionna():
        from sionna.phy.fec.turbo import TurboDecoder, TurboEncoder
    encoder = TurboEncoder(rate=1 / 3, constraint_length=4, terminate=True, device="cpu")
    # Its default works with probabilities instead of their logarithms, and overflows where LLRs are large.
    return encoder, TurboDecoder(encoder, num_iter=TURBO_ITERATIONS, algorithm="log", hard_out=True, device="cpu")


def _graph_bits(bits: int, code_rate: float) -> int:
    """Information bits of the graph for so many: what its lifting size holds, eight sizes to an octave as in 5.3.2."""
    columns = 22 if bits > 3824 or (bits > 292 and code_rate > 0.67) else 10  # of information in base graphs 1 and 2
    step = columns << max(0, ((bits - 1) // columns).bit_length() - 4)
    return min(-(-bits // step) * step, max_ldpc_block_bits(code_rate))


def _white(count: int, sequence: int = 0) -> Tensor:
    """One of some fixed sequences of 0 and 1 by which payload and CRC are flipped before they are coded.

    Without it, code words of mere zeros would be valid, and a receiver that hears nothing, whose LLRs are all
    0, would decode a payload of zeros with a CRC that holds. It also keeps the mean energy of QAM near one.
    """
    words = np.random.Philox(key=38212, counter=sequence << 128).random_raw(-(-count // 64)).astype("<u8")
    return _floats(np.unpackbits(words.view(np.uint8))[:count])


def _whitened(bits: Tensor, white: Tensor) -> Tensor:
    return (bits - white).abs()


def _floats(bits: Bits) -> Tensor:
    return torch.from_numpy(bits.astype(np.float32))


def _bits(values: Tensor) -> Bits:
    return values.numpy().round().astype(np.uint8)
