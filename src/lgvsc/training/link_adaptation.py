"""Measure the block error rate of every modulation and coding scheme, and store what link adaptation needs."""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import log2
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.burst.control_block import CONTROL_FORMATS, control_code, control_formats
from lgvsc.coding.modem.digital import (
    LADDER,
    MAX_POLAR_PAYLOAD_BITS,
    MCS_COUNT,
    TURBO_INDEX,
    block_code,
    demodulate,
    mcs_at,
    modulate,
)
from lgvsc.coding.modem.fec import LDPC_CRC_BITS, POLAR_CRC_BITS, Code, max_ldpc_block_bits
from lgvsc.coding.modem.link_adaptation import Waterfall
from lgvsc.training.arguments import Trainer

log = logging.getLogger(__name__)

POLAR_LENGTHS = (8, 48, 176, 480)
LDPC_LENGTHS = (1000,)
FIXED_LDPC_LENGTHS = (16, 100, 400, 1000)  # what the papers send by LDPC also where it is short
TURBO_LENGTHS = (16, 100, 500, 2000)
CONTROL_LENGTHS = (96, 192, 288)
FIRST_STEP_DB = 0.5


@dataclass(frozen=True, slots=True)
class MeasuredCode:
    """A waterfall and the simulation behind it."""

    fall: Waterfall
    blocks: int
    errors: int


@dataclass(frozen=True, slots=True)
class CodeUnderTest:
    """One code to be measured.

    Attributes:
        table: ``data`` or ``control``.
        names: What tells it apart there.
        make: Builds it.
        bits_per_symbol: Of its modulation.
        efficiency: Payload and CRC bits per symbol.
    """

    table: Literal["data", "control"]
    names: Mapping[str, int | float | str]
    make: Callable[[], Code]
    bits_per_symbol: int
    efficiency: float

    @property
    def payload_bits(self) -> int:
        return int(self.names["payload_bits"])

    @property
    def key(self) -> tuple[int, ...]:
        """Seeds payloads and noise, together with the seed."""
        first = self.names["index"] if self.table == "data" else self.names["symbols"]
        return int(first), self.payload_bits


def measure_link_adaptation(path: Path, *, seed: int = 0, effort: float = 1.0) -> None:
    """Simulate every scheme over AWGN and write the table that ``lgvsc.coding.modem.link_adaptation`` reads.

    For each scheme and a few lengths, first a search for the SNR at which half of the blocks are lost, then the
    larger part of the blocks there and above, then a maximum-likelihood fit of the waterfall's place and width.

    What is measured is noted beside ``path`` as it comes. A run that was interrupted goes on from there, and its
    result is the same.

    Args:
        path: TOML file to write.
        seed: Of payloads and noise.
        effort: Multiplies the number of blocks; 1 takes some twenty minutes on one core.
    """
    part = path.with_name(f".{path.name}.part")
    head = [
        "# Block error rate over AWGN of every modulation and coding scheme: Q((snr_db - mean_db) / spread_db).",
        f"# Made by: lgvsc train link-adaptation --out mcs.toml --seed {seed} --effort {effort}",
        "# blocks and errors say what each fit rests on.",
        f"seed = {seed}",
        f"effort = {effort}",
    ]
    lines = measured_before(part, head) or head
    known = {entry_key(table, entry): entry for table, entry in entries(lines)}
    before: CodeUnderTest | None = None
    start_db = 0.0
    for point in [*data_points(), *control_points()]:
        if before is None or point.table != before.table or point.payload_bits < before.payload_bits:
            start_db = 10 * np.log10(2**point.efficiency - 1) + 1.0  # near capacity
        entry = known.get(entry_key(point.table, point.names))
        if entry is None:
            measured = measure(point.make(), point.bits_per_symbol, start_db, (seed, *point.key), effort)
            log.info("%s: %s", ", ".join(f"{name} {value}" for name, value in point.names.items()), measured)
            named = [f"{name} = {json.dumps(value)}" for name, value in point.names.items()]
            lines += ["", f"[[{point.table}]]", *named, *row(measured)]
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")
            start_db = measured.fall.mean_db
        else:
            start_db = float(entry["mean_db"])
        before = point
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)


def measured_before(part: Path, head: list[str]) -> list[str] | None:
    """Lines of an interrupted run with the same seed and effort."""
    lines = part.read_text(encoding="utf-8").splitlines() if part.is_file() else []
    return lines if lines[: len(head)] == head else None


def entries(lines: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tables and what stands in them."""
    stored = tomllib.loads("\n".join(lines))
    return ((table, entry) for table in ("data", "control") for entry in stored.get(table, []))


def entry_key(table: str, names: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells an entry apart: scheme or format, code and length."""
    return table, names.get("index"), names.get("symbols"), names.get("code"), names["payload_bits"]


def data_points() -> Iterator[CodeUnderTest]:
    """Everything that is measured of payloads: for each scheme and code its shortest and longest block too."""
    for index in range(MCS_COUNT):
        for length in data_lengths(index):
            mcs = mcs_at(index, length)
            names = {
                "index": index,
                "code": mcs.code,
                "bits_per_symbol": mcs.bits_per_symbol,
                "code_rate": round(mcs.code_rate, 4),
                "payload_bits": length,
            }
            yield CodeUnderTest("data", names, partial(block_code, length, mcs), mcs.bits_per_symbol, mcs.efficiency)


def data_lengths(index: int) -> list[int]:
    """Payload bits, rising, at which a scheme is measured."""
    if index == TURBO_INDEX:
        return list(TURBO_LENGTHS)
    block = max_ldpc_block_bits(mcs_at(index, 1).code_rate) - LDPC_CRC_BITS
    if index >= len(LADDER):
        return [*FIXED_LDPC_LENGTHS, block]
    longest = max(bits for bits in range(1, MAX_POLAR_PAYLOAD_BITS + 1) if mcs_at(index, bits).code == "polar")
    polar = {longest, *(bits for bits in POLAR_LENGTHS if bits < 0.8 * longest)}
    return sorted(polar | {longest + 1, block, *(bits for bits in LDPC_LENGTHS if bits > 1.2 * longest)})


def control_points() -> Iterator[CodeUnderTest]:
    """Everything that is measured of control blocks."""
    for symbols in CONTROL_FORMATS:
        for length in (bits for bits in CONTROL_LENGTHS if symbols in control_formats(bits)):
            names = {"symbols": symbols, "payload_bits": length}
            make = partial(control_code, symbols, length)
            yield CodeUnderTest("control", names, make, 2, (length + POLAR_CRC_BITS) / symbols)


def measure(code: Code, bits_per_symbol: int, start_db: float, key: tuple[int, ...], effort: float) -> MeasuredCode:
    """Fit the waterfall of one code. ``key`` seeds payloads and noise."""
    lose = simulation(code, bits_per_symbol, key)
    budget = round(effort * np.interp(log2(code.payload_bits), [3, 6, 8, 10, 13], [1500, 1000, 500, 250, 80]))
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
    return MeasuredCode(fit(trials), sum(trial[1] for trial in trials), sum(trial[2] for trial in trials))


def simulation(code: Code, bits_per_symbol: int, key: tuple[int, ...]) -> Callable[[float, int], int]:
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


def row(measured: MeasuredCode) -> list[str]:
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


def measure_into(
    *,
    out: Annotated[Path, typer.Option(help="TOML file to write.")],
    seed: Annotated[int, typer.Option(help="Of noise and bits.")] = 0,
    effort: Annotated[float, typer.Option(help="Multiplies the number of blocks.")] = 1.0,
) -> None:
    """Measure, and write the table."""
    measure_link_adaptation(out, seed=seed, effort=effort)


main = Trainer("link-adaptation", measure_into, about=__doc__)


if __name__ == "__main__":
    main()
