"""Speed of the air interface, beside Sionna called directly in the same run.

    python benchmarks/air.py [--repeat N]

Prints milliseconds of CPU time and kbit/s per payload on one thread. Directly means: Sionna's CRC, code and mapper for
the same blocks, and its demapper, decoder with 20 iterations, and CRC check, in turn with ours. A ratio of 1.1 means
that the protocol (segmentation, filler, whitening, interleaving, erasures) takes a tenth on top. Ours can be faster:
each dimension of a QAM symbol is demapped by itself, and LDPC blocks stop as soon as their CRC holds. "every one
fails" is decoding 3 dB lower, where nothing stops early. "both" is encoding and decoding together.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder
from sionna.phy.fec.turbo import TurboDecoder, TurboEncoder
from sionna.phy.mapping import Demapper, Mapper
from torch import Tensor
from torch.nn.functional import pad

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.burst.control_block import CONTROL_FORMATS, decode_control, encode_control
from lgvsc.coding.burst.framing import preamble_likelihood
from lgvsc.coding.modem.digital import Mcs, block_code, block_count, decode_bits, encode_bits, mcs_at
from lgvsc.coding.modem.fec import MAX_POLAR_CODED_BITS
from lgvsc.coding.modem.link_adaptation import required_snr_db


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    torch.set_num_threads(1)
    print(
        "payload  mcs  code   build ms  encode ms (ratio)   decode ms (ratio)   both   decode kbit/s  every block fails"
    )
    for bits, index in [
        (40, 5),
        (176, 5),
        (480, 11),
        (1000, 5),
        (3000, 11),
        (8000, 5),
        (8000, 11),
        (8000, 18),
        (8000, 25),
        (40_000, 11),
        (200, 28),
        (200, 31),
    ]:
        data_row(bits, mcs_at(index, bits), repeat)
    print("\ncontrol block of 190 bits")
    for snr_db in (-6.0, -1.0, 3.5, 12.0):
        control_row(snr_db, repeat)
    received = AwgnChannel(0.0, child_generator(0, "benchmark"))(torch.ones(1_000_000, dtype=torch.complex64))
    print(f"\npreamble search: {1 / median(lambda: preamble_likelihood(received), 3):.1f} Msymbol/s")


def data_row(bits: int, mcs: Mcs, repeat: int) -> None:
    start = time.process_time()
    payload = np.random.default_rng(bits).integers(0, 2, bits, dtype=np.uint8)
    symbols = encode_bits(payload, mcs)
    received = AwgnChannel(required_snr_db(bits, mcs, "captions"), child_generator(0, bits, mcs.index))(symbols)
    decode_bits(received, bits, mcs)
    build_s = time.process_time() - start
    bare = Direct(bits, mcs)
    lost = AwgnChannel(required_snr_db(bits, mcs, "captions") - 3, child_generator(1, bits, mcs.index))(symbols)
    encode_s, bare_encode_s = in_turn(lambda: encode_bits(payload, mcs), bare.encode, 5 * repeat)
    decode_s, bare_decode_s = in_turn(lambda: decode_bits(received, bits, mcs), bare.decode, repeat)
    lost_s, _ = in_turn(lambda: decode_bits(lost, bits, mcs), bare.decode, max(1, repeat // 2))
    encode = f"{1e3 * encode_s:9.2f} ({encode_s / bare_encode_s:5.2f})"
    decode = f"{1e3 * decode_s:10.1f} ({decode_s / bare_decode_s:5.2f})"
    rate = f"{bits / decode_s / 1e3:14.0f}"
    both = (encode_s + decode_s) / (bare_encode_s + bare_decode_s)
    print(
        f"{bits:7d}  {mcs.index:3d}  {mcs.code:5s}  {1e3 * build_s:8.0f}  {encode}  {decode}  {both:5.2f}  {rate}"
        f"  {1e3 * lost_s:10.1f} ({lost_s / bare_decode_s:5.2f})",
        flush=True,
    )


class Direct:
    """Sionna's classes on their own, for code words of the same number and size at the same SNR."""

    def __init__(self, bits: int, mcs: Mcs) -> None:
        code, blocks = block_code(bits, mcs), block_count(bits, mcs)
        m = mcs.bits_per_symbol
        self._mapper, self._demapper = Mapper("qam", m, device="cpu"), Demapper("app", "qam", m, device="cpu")
        degree = {"polar": "CRC16", "ldpc": "CRC24B", "turbo": "CRC24A"}[mcs.code]
        self._crc = CRCEncoder(degree, k=code.payload_bits, device="cpu")
        self._check = CRCDecoder(self._crc, device="cpu")
        self._payload = torch.randint(0, 2, (blocks, code.payload_bits), generator=child_generator(0, "direct")).float()
        self._even = 0
        if mcs.code == "polar":
            word = code.coded_bits if code.coded_bits <= MAX_POLAR_CODED_BITS else 1024
            self._encoder = Polar5GEncoder(code.payload_bits + 16, word, device="cpu")
            self._decoder = Polar5GDecoder(self._encoder, "SCL", 8, device="cpu")
        elif mcs.code == "turbo":
            self._encoder = TurboEncoder(rate=1 / 3, constraint_length=4, terminate=True, device="cpu")
            self._decoder = TurboDecoder(self._encoder, num_iter=8, algorithm="log", device="cpu")
            self._even = code.payload_bits % 2
        else:
            self._encoder = LDPC5GEncoder(code.payload_bits + 24, code.coded_bits, m, device="cpu")
            self._decoder = LDPC5GDecoder(self._encoder, num_iter=20, device="cpu")
        sent = self.encode()
        snr_db = required_snr_db(bits, mcs, "captions")
        noisy = AwgnChannel(snr_db, child_generator(0, "noise"))(sent.flatten()).symbols
        self._received, self._n0 = noisy.reshape(sent.shape), torch.tensor(10 ** (-snr_db / 10))
        self.decode()

    def encode(self) -> Tensor:
        word = self._encoder(self._crc(self._payload)).float()
        symbols: Tensor = self._mapper(pad(word, (0, self._even)))
        return symbols

    def decode(self) -> Tensor:
        llr = self._demapper(self._received, self._n0)
        bits, _ = self._check(self._decoder(llr[:, : llr.shape[1] - self._even]))
        return bits


def control_row(snr_db: float, repeat: int) -> None:
    bits = np.random.default_rng(1).integers(0, 2, 190, dtype=np.uint8)
    symbols = encode_control(bits, snr_db)
    received = AwgnChannel(snr_db + 1, child_generator(0, "control"))(symbols)
    decode_control(received, 190)
    decode_s = median(lambda: decode_control(received, 190), repeat)
    tried = [length for length in CONTROL_FORMATS if length <= symbols.numel()]
    print(f"  {symbols.numel()} symbols, at most {len(tried)} formats tried: {1e3 * decode_s:.1f} ms")


def in_turn(ours: Callable[[], object], theirs: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Median CPU seconds of one call of each, called in turn so that both meet the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeat):
        for run, taken in zip((ours, theirs), times, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return float(np.median(times[0])), float(np.median(times[1]))


def median(run: Callable[[], object], repeat: int) -> float:
    """Median CPU seconds of one call."""
    return in_turn(run, lambda: None, repeat)[0]


if __name__ == "__main__":
    main()
