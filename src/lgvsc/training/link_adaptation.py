"""Measure the block error rate of every modulation and coding scheme, and store what link adaptation needs."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.control_block import CONTROL_FORMATS, control_code, control_formats
from lgvsc.coding.digital import LADDER, MAX_POLAR_PAYLOAD_BITS, block_code, demodulate, mcs_at, modulate
from lgvsc.coding.fec import LDPC_CRC_BITS, LdpcCode, PolarCode, max_ldpc_block_bits
from lgvsc.coding.snr import Waterfall

log = logging.getLogger(__name__)

POLAR_LENGTHS = (8, 48, 160, 480)
LDPC_LENGTHS = (1000,)
CONTROL_LENGTHS = (96, 192, 288)
FIRST_STEP_DB = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """A waterfall and the simulation behind it."""

    fall: Waterfall
    blocks: int
    errors: int


def measure_link_adaptation(path: Path, *, seed: int = 0, effort: float = 1.0) -> None:
    """Simulate every scheme over AWGN and write the table that ``lgvsc.coding.snr`` reads.

    For each scheme and a few lengths, first a search for the SNR at which half of the blocks are lost, then the
    larger part of the blocks there and above, then a maximum-likelihood fit of the waterfall's place and width.

    Args:
        path: TOML file to write.
        seed: Of payloads and noise.
        effort: Multiplies the number of blocks; 1 takes some ten minutes on one core.
    """
    lines = [
        "# Block error rate over AWGN of every modulation and coding scheme: Q((snr_db - mean_db) / spread_db).",
        "# Made by lgvsc.training.link_adaptation; blocks and errors say what the fit rests on.",
        f"seed = {seed}",
        f"effort = {effort}",
    ]
    before, start_db = 0, 0.0
    for index, code, length in data_points():
        mcs = mcs_at(index, length)
        if length < before or not before:
            start_db = 10 * np.log10(2**mcs.efficiency - 1) + 1.0  # near capacity
        measured = measure(block_code(length, mcs), mcs.bits_per_symbol, start_db, (seed, index, length), effort)
        before, start_db = length, measured.fall.mean_db
        log.info("mcs %d %s %d bits: %s", index, code, length, measured)
        lines += ["", "[[data]]", f"index = {index}", f'code = "{code}"', f"payload_bits = {length}", *row(measured)]
    for symbols in CONTROL_FORMATS:
        for length in (bits for bits in CONTROL_LENGTHS if symbols in control_formats(bits)):
            start_db = 10 * np.log10(2 ** ((length + 27) / symbols) - 1) + 1.5
            key = (seed, symbols, length)
            measured = measure(control_code(symbols, length), 2, start_db, key, effort)
            log.info("control %d symbols %d bits: %s", symbols, length, measured)
            lines += ["", "[[control]]", f"symbols = {symbols}", f"payload_bits = {length}", *row(measured)]
    part = path.with_name(f".{path.name}.part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)


def data_points() -> Iterator[tuple[int, str, int]]:
    """Index, code and payload bits of everything measured: for each code its shortest and longest block too."""
    for index, (_, code_rate) in enumerate(LADDER):
        polar = [bits for bits in range(1, MAX_POLAR_PAYLOAD_BITS + 1) if mcs_at(index, bits).code == "polar"]
        block = max_ldpc_block_bits(code_rate) - LDPC_CRC_BITS
        ldpc = {polar[-1] + 1, *(bits for bits in LDPC_LENGTHS if bits < 0.95 * block), block}
        for length in sorted({polar[-1], *(bits for bits in POLAR_LENGTHS if bits < 0.8 * polar[-1])}):
            yield index, "polar", length
        for length in sorted(ldpc):
            yield index, "ldpc", length


def measure(
    code: PolarCode | LdpcCode, bits_per_symbol: int, start_db: float, key: tuple[int, ...], effort: float
) -> Measured:
    """Fit the waterfall of one code. ``key`` seeds payloads and noise."""
    lose = simulation(code, bits_per_symbol, key)
    budget = round(effort * np.interp(log2(code.payload_bits), [8, 10, 13], [500, 200, 80]))
    trials: list[tuple[float, int, int]] = []  # SNR in dB, blocks, of them lost

    def try_at(snr_db: float, blocks: int) -> float:
        trials.append((snr_db, blocks, lose(snr_db, blocks)))
        return trials[-1][2] / blocks

    few = max(8, budget // 20)
    snr_db, step_db = start_db, FIRST_STEP_DB
    above = try_at(snr_db, few) > 0.5
    while step_db > 0.2:  # halve the step each time the middle of the waterfall is passed
        snr_db += step_db if above else -step_db
        now_above = try_at(snr_db, few) > 0.5
        if now_above != above:
            step_db /= 2
        above = now_above
    for share, deviations in ((0.2, 0.0), (0.3, 1.0), (0.5, 2.0)):
        fall = fit(trials)
        try_at(fall.mean_db + deviations * fall.spread_db, max(8, round(share * budget)))
    return Measured(fit(trials), sum(trial[1] for trial in trials), sum(trial[2] for trial in trials))


def simulation(code: PolarCode | LdpcCode, bits_per_symbol: int, key: tuple[int, ...]) -> Callable[[float, int], int]:
    """A function that sends blocks at an SNR and says how many were lost."""
    payloads = np.random.default_rng(key)
    noise = child_generator(key[0], "link adaptation", *key[1:])

    def lose(snr_db: float, blocks: int) -> int:
        lost = 0
        channel = AwgnChannel(snr_db, noise)
        for start in range(0, blocks, 64):
            bits = payloads.integers(0, 2, (min(64, blocks - start), code.payload_bits), dtype=np.uint8)
            received = channel(modulate(code.encode(bits).flatten(), bits_per_symbol))
            decoded, passes = code.decode(demodulate(received, bits_per_symbol).reshape(len(bits), -1))
            lost += int((~passes | (decoded != bits).any(axis=1)).sum())
        return lost

    return lose


def fit(trials: list[tuple[float, int, int]]) -> Waterfall:
    """Maximum-likelihood place and width of ``Q((snr_db - mean_db) / spread_db)``, on a fine grid."""
    snr_db, blocks, lost = (np.array(column, dtype=np.float64) for column in zip(*trials, strict=True))
    mean_db = np.arange(snr_db.min() - 0.5, snr_db.max() + 0.5, 0.01)[:, None, None]
    spread_db = np.geomspace(0.05, 3.0, 90)[None, :, None]
    rate = np.clip(_q((snr_db - mean_db) / spread_db), 1e-9, 1 - 1e-9)
    likelihood = (lost * np.log(rate) + (blocks - lost) * np.log1p(-rate)).sum(axis=-1)
    best = np.unravel_index(likelihood.argmax(), likelihood.shape)
    return Waterfall(round(float(mean_db[best[0], 0, 0]), 3), round(float(spread_db[0, best[1], 0]), 3))


def row(measured: Measured) -> list[str]:
    """The numbers of one TOML entry."""
    fall = measured.fall
    return [
        f"mean_db = {fall.mean_db}",
        f"spread_db = {fall.spread_db}",
        f"blocks = {measured.blocks}",
        f"errors = {measured.errors}",
    ]


def _q(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian tail, by a table: a thousandth of a deviation is finer than any simulation here."""
    at = np.linspace(-8, 8, 16001)
    tail: NDArray[np.float64] = np.interp(x, at, [NormalDist().cdf(-v) for v in at])
    return tail


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of :func:`measure_link_adaptation`."""
    parser = argparse.ArgumentParser(prog="lgvsc train link-adaptation", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="TOML file to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", type=float, default=1.0, help="multiplies the number of blocks (default: 1)")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    measure_link_adaptation(given.out, seed=given.seed, effort=given.effort)


if __name__ == "__main__":
    main()
