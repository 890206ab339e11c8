"""How good the codes are: beside what is possible at their length, and on fading with and without interleaving.

    python benchmarks/fec.py [--plot FILE] [--effort X] [--lengths N ...] [--only codes|fading]

Codes: payloads of the same length in the same number of QPSK symbols by each code, and the Es/N0 at which one block in
a hundred is lost, beside the normal approximation of Polyanskiy, Poor and Verdu (2010). "gap" counts the CRC as
overhead; "without CRC" compares with an ideal code that carries the CRC as well, and so shows the code alone.

Fading: Rayleigh, one gain for each 64 symbols, known to the receiver, and the share of payloads lost as they are sent,
and as they would be without the interleaver. Some ten minutes on one core.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finite_length import normal_approximation, required_snr_db
from lgvsc.coding.modem.digital import decode_bits, encode_bits, mcs_at
from lgvsc.coding.modem.fec import (
    LDPC_CRC_BITS,
    POLAR_CRC_BITS,
    TURBO_CRC_BITS,
    Code,
    ldpc_code,
    polar_code,
    turbo_code,
    turbo_coded_bits,
)
from lgvsc.coding.modem.interleaver import deinterleave, interleave
from lgvsc.core.air import Reception
from lgvsc.training.link_adaptation import measure, simulation

LENGTHS = (40, 200, 1000)
TARGET = 1e-2
FADING_BLOCK = 64
COLOURS = {"polar": "tab:blue", "LDPC": "tab:orange", "turbo": "tab:green"}


@dataclass(frozen=True)
class Curve:
    """Simulated block error rates of one code."""

    name: str
    payload_bits: int
    symbols: int
    snr_db: list[float]
    bler: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path, help="PNG, PDF or SVG file of the block error rates")
    parser.add_argument("--effort", type=float, default=1.0, help="multiplies the number of blocks")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="payload bits (default: 40 200 1000)")
    parser.add_argument("--only", choices=["codes", "fading"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.only != "fading":
        curves: list[Curve] = []
        for length in given.lengths:
            curves += codes_row(length, given.effort)
            if given.plot:  # after each, as the longer ones take their time
                draw(curves, given.plot)
    if given.only != "codes":
        fading(given.effort)


def codes_row(payload_bits: int, effort: float) -> list[Curve]:
    """Print thresholds and gaps of all codes at one length."""
    coded_bits = turbo_coded_bits(payload_bits)
    symbols = coded_bits // 2
    rate = (payload_bits + LDPC_CRC_BITS) / coded_bits
    codes: dict[str, tuple[Code, int]] = {
        "LDPC": (ldpc_code(payload_bits, rate, 2), LDPC_CRC_BITS),
        "turbo": (turbo_code(payload_bits), TURBO_CRC_BITS),
    }
    if payload_bits + POLAR_CRC_BITS <= 512:
        codes = {"polar": (polar_code(payload_bits, coded_bits), POLAR_CRC_BITS)} | codes
    curves = []
    print(f"\n{payload_bits} bits in {symbols} QPSK symbols; normal approximation at {TARGET:g}: ", end="")
    print(
        f"{required_snr_db(payload_bits, symbols, TARGET, 2):.2f} dB, "
        f"unconstrained {required_snr_db(payload_bits, symbols, TARGET):.2f} dB"
    )
    print("code    needs dB   gap dB   gap without CRC dB   blocks  lost")
    for name, (code, crc_bits) in codes.items():
        start_db = required_snr_db(payload_bits + crc_bits, symbols, 0.5, 2) + 0.7
        measured = measure(code, 2, start_db, (1, payload_bits), effort)
        needs_db = measured.fall.required_snr_db(TARGET)
        gap_db = needs_db - required_snr_db(payload_bits, symbols, TARGET, 2)
        alone_db = needs_db - required_snr_db(payload_bits + crc_bits, symbols, TARGET, 2)
        print(
            f"{name:6s} {needs_db:9.2f} {gap_db:8.2f} {alone_db:20.2f} {measured.blocks:8d} {measured.errors:5d}",
            flush=True,
        )
        lose = simulation(code, 2, (2, payload_bits))
        snr_db = [round(measured.fall.mean_db + d * measured.fall.spread_db, 2) for d in (-1.0, 0.0, 1.0, 1.8, 2.4)]
        counts = [max(64, round(effort * n * (200 / max(200, payload_bits)) ** 0.5)) for n in (64, 128, 320, 640, 960)]
        bler = [lose(at, count) / count for at, count in zip(snr_db, counts, strict=True)]
        curves.append(Curve(name, payload_bits, symbols, snr_db, bler))
    return curves


def draw(curves: list[Curve], path: Path) -> None:
    """Block error rate against Es/N0."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lengths = sorted({curve.payload_bits for curve in curves})
    size = (3.5 * len(lengths), 4.0)
    figure, axes = plt.subplots(1, len(lengths), figsize=size, sharey=True, squeeze=False, layout="constrained")
    panels = list(axes[0])
    for panel, length in zip(panels, lengths, strict=True):
        here = [curve for curve in curves if curve.payload_bits == length]
        symbols = here[0].symbols
        every_db = [at for curve in here for at in curve.snr_db]
        grid = np.linspace(required_snr_db(length, symbols, 0.7, 2) - 0.3, max(every_db) + 0.3, 120)
        panel.semilogy(
            grid, [normal_approximation(length, symbols, at, 2) for at in grid], "k-", label="normal approximation"
        )
        with_crc = [normal_approximation(length + LDPC_CRC_BITS, symbols, at, 2) for at in grid]
        panel.semilogy(grid, with_crc, "k:", label="the same, 24 bits of CRC carried too")
        for curve in here:
            seen = [(at, bler) for at, bler in zip(curve.snr_db, curve.bler, strict=True) if bler]
            panel.semilogy(*zip(*seen, strict=True), "o-", color=COLOURS[curve.name], ms=3.5, label=curve.name)
        panel.set_title(f"{length} bits, {symbols} QPSK symbols", fontsize=9.5)
        panel.set(xlabel="Es/N0 [dB]", ylim=(2e-3, 1.1))
        panel.grid(which="both", alpha=0.25)
    panels[0].set_ylabel("block error rate")
    entries = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3, fontsize=7.5)
    figure.savefig(path, dpi=160)


def fading(effort: float) -> None:
    """Print what the interleaver is worth."""
    print(f"\nshare of payloads lost, Rayleigh with one gain for {FADING_BLOCK} symbols, and AWGN")
    print("payload  scheme              channel   Es/N0 dB   sent as is   without interleaver   payloads")
    for payload_bits, index, fading_db, awgn_db, trials in (
        (176, 5, (1.0, 3.0), -1.0, 100),
        (1000, 6, (1.5, 3.0), -0.1, 120),
        (60_000, 12, (10.2, 10.7, 11.2), 7.75, 24),
    ):
        mcs = mcs_at(index, payload_bits)
        scheme = f"{mcs.code} {2**mcs.bits_per_symbol}-QAM {mcs.code_rate:g}"
        for kind, snr_db in (*(("Rayleigh", at) for at in fading_db), ("AWGN", awgn_db)):
            count = max(10, round(effort * trials))
            shares = [
                lost_share(payload_bits, index, snr_db, kind == "Rayleigh", as_is, count) for as_is in (True, False)
            ]
            print(
                f"{payload_bits:7d}  {scheme:18s}  {kind:8s}  {snr_db:8.1f}   {shares[0]:10.2f}   {shares[1]:18.2f}   "
                f"{count:8d}",
                flush=True,
            )


def lost_share(payload_bits: int, index: int, snr_db: float, fades: bool, as_is: bool, trials: int) -> float:
    """Share of payloads that are lost; both ways of sending see the same payloads, gains and noise."""
    mcs = mcs_at(index, payload_bits)
    random = np.random.default_rng(payload_bits)
    generator = torch.Generator().manual_seed(payload_bits)
    lost = 0
    for _ in range(trials):
        bits = random.integers(0, 2, payload_bits, dtype=np.uint8)
        symbols = encode_bits(bits, mcs)
        sent = symbols if as_is else deinterleave(symbols)
        gains = torch.ones(len(sent), dtype=torch.complex64)
        if fades:
            blocks = complex_normal(-(-len(sent) // FADING_BLOCK), generator)
            gains = blocks.repeat_interleave(FADING_BLOCK)[: len(sent)]
        n0 = 10 ** (-snr_db / 10)
        heard = sent + math.sqrt(n0) * complex_normal(len(sent), generator) / gains
        variance = n0 / gains.abs().square()
        if not as_is:
            heard, variance = interleave(heard), interleave(variance)
        decoded = decode_bits(Reception(heard, variance), payload_bits, mcs)
        lost += decoded is None or not np.array_equal(decoded, bits)
    return lost / trials


def complex_normal(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, dtype=torch.complex64, generator=generator)


if __name__ == "__main__":
    main()
