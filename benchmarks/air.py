"""Speed of the air interface, beside Sionna called directly in the same run.

    python benchmarks/air.py [--repeat N]

Prints milliseconds and kbit/s per payload on one thread. A ratio of 1.2 means that the protocol around the code (CRC,
whitening, padding, erasures) takes a fifth on top. Decoding at high SNR can beat a direct call (ratio below 1), since
LDPC blocks stop after a few iterations once their CRC holds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder
from sionna.phy.mapping import Demapper, Mapper

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.control_block import CONTROL_FORMATS, decode_control, encode_control
from lgvsc.coding.digital import Mcs, block_code, decode_bits, encode_bits, mcs_at
from lgvsc.coding.framing import preamble_likelihood
from lgvsc.coding.snr import required_snr_db


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    torch.set_num_threads(1)
    print("payload  mcs  code   build ms  encode ms (ratio)   decode ms (ratio)   decode kbit/s")
    for bits, index in [
        (40, 3),
        (200, 3),
        (480, 8),
        (1000, 3),
        (3000, 8),
        (8000, 3),
        (8000, 8),
        (8000, 13),
        (40_000, 8),
    ]:
        data_row(bits, mcs_at(index, bits), repeat)
    print("\ncontrol block of 190 bits")
    for snr_db in (-6.0, -1.0, 3.5, 12.0):
        control_row(snr_db, repeat)
    received = AwgnChannel(0.0, child_generator(0, "benchmark"))(torch.ones(1_000_000, dtype=torch.complex64))
    print(f"\npreamble search: {1 / median(lambda: preamble_likelihood(received), 3):.1f} Msymbol/s")


def data_row(bits: int, mcs: Mcs, repeat: int) -> None:
    start = time.perf_counter()
    payload = np.random.default_rng(bits).integers(0, 2, bits, dtype=np.uint8)
    symbols = encode_bits(payload, mcs)
    received = AwgnChannel(required_snr_db(bits, mcs, "captions"), child_generator(0, bits, mcs.index))(symbols)
    decode_bits(received, bits, mcs)
    build_s = time.perf_counter() - start
    encode_s = median(lambda: encode_bits(payload, mcs), repeat)
    decode_s = median(lambda: decode_bits(received, bits, mcs), repeat)
    bare_encode_s, bare_decode_s = direct(bits, mcs, symbols.numel(), repeat)
    encode = f"{1e3 * encode_s:9.2f} ({encode_s / bare_encode_s:5.2f})"
    decode = f"{1e3 * decode_s:10.1f} ({decode_s / bare_decode_s:5.2f})"
    rate = f"{bits / decode_s / 1e3:14.0f}"
    print(f"{bits:7d}  {mcs.index:3d}  {mcs.code:5s}  {1e3 * build_s:8.0f}  {encode}  {decode}  {rate}")


def direct(bits: int, mcs: Mcs, symbols: int, repeat: int) -> tuple[float, float]:
    """Seconds that Sionna's blocks take on their own for code words of the same number and size."""
    code = block_code(bits, mcs)
    blocks = symbols * mcs.bits_per_symbol // code.coded_bits
    mapper, demapper = Mapper("qam", mcs.bits_per_symbol, device="cpu"), Demapper("app", "qam", mcs.bits_per_symbol)
    encoder: Polar5GEncoder | LDPC5GEncoder
    decoder: Polar5GDecoder | LDPC5GDecoder
    if mcs.code == "polar":
        encoder = Polar5GEncoder(code.payload_bits + 16, code.coded_bits, device="cpu")
        decoder = Polar5GDecoder(encoder, "SCL", 8, return_crc_status=True, device="cpu")
    else:
        encoder = LDPC5GEncoder(code.payload_bits + 24, code.coded_bits, mcs.bits_per_symbol, device="cpu")
        decoder = LDPC5GDecoder(encoder, num_iter=20, device="cpu")
    payload = torch.randint(0, 2, (blocks, encoder.k), generator=child_generator(0, "direct")).float()
    sent = mapper(encoder(payload))
    snr_db = required_snr_db(bits, mcs, "captions")
    received = AwgnChannel(snr_db, child_generator(0, "noise"))(sent.flatten()).symbols.reshape(sent.shape)
    n0 = torch.tensor(10 ** (-snr_db / 10))

    def decode() -> None:
        decoder(demapper(received, n0))

    decode()
    return median(lambda: mapper(encoder(payload)), repeat), median(decode, repeat)


def control_row(snr_db: float, repeat: int) -> None:
    bits = np.random.default_rng(1).integers(0, 2, 190, dtype=np.uint8)
    symbols = encode_control(bits, snr_db)
    received = AwgnChannel(snr_db + 1, child_generator(0, "control"))(symbols)
    decode_control(received, 190)
    decode_s = median(lambda: decode_control(received, 190), repeat)
    tried = [length for length in CONTROL_FORMATS if length <= symbols.numel()]
    print(f"  {symbols.numel()} symbols, at most {len(tried)} formats tried: {1e3 * decode_s:.1f} ms")


def median(run: Callable[[], object], repeat: int) -> float:
    """Median time of one call in seconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


if __name__ == "__main__":
    main()
