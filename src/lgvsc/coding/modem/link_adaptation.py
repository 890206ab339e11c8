"""Link adaptation: which modulation and code a payload gets at the SNR that the transmitter believes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from math import inf, log2
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from lgvsc.coding.modem.digital import LADDER, TABLE_1_LADDER, TURBO_INDEX, Mcs, block_count, mcs_at, symbol_count
from lgvsc.core.air import Purpose

TABLE = "mcs.toml"

McsRule: TypeAlias = Literal["adaptive", "lgvsc-table-1", "gvsc"]

TABLE_1_STEPS: tuple[tuple[float, tuple[int, float]], ...] = (
    (-inf, (2, 3 / 4)),
    (8.0, (4, 1 / 2)),
    (10.0, (4, 2 / 3)),
)
"""From which SNR in dB what is used, the rows of LGVSC's Table I for H.265; those for H.264 ask for 16-QAM 3/4 at 6 dB,
which is above capacity. The paper protects text by "LDPC with standard modulation" and says no more of it."""


@dataclass(frozen=True, slots=True)
class Protection:
    """How safely a purpose is sent.

    Attributes:
        bler: Accepted probability of losing the payload, at the SNR that the transmitter believes.
        margin_db: Added to the SNR that this takes, since the channel may be worse than believed.
    """

    bler: float
    margin_db: float


PROTECTION: Mapping[Purpose, Protection] = MappingProxyType(
    {  # unequal error protection: without control a burst is nothing, without a caption it still has its picture
        "control": Protection(1e-3, 1.0),
        "captions": Protection(1e-3, 0.5),
        "side": Protection(1e-3, 0.5),
        "keyframes": Protection(1e-2, 0.0),
        "sketches": Protection(1e-2, 0.0),
        "video": Protection(1e-2, 0.0),
        "structure": Protection(1e-2, 0.0),
    }
)

INSURED = Protection(1e-2, 0.0)  # of control, through a channel that is worse than believed by as much as is insured


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Block error rate over AWGN, ``Q((snr_db - mean_db) / spread_db)``, fitted to simulated blocks.

    The probit shape is that of the normal approximation at finite block length (Polyanskiy, Poor and Verdu 2010,
    Eq. (296)), linearised in dB. Rates far below one over the number of simulated blocks are extrapolated.
    """

    mean_db: float
    spread_db: float

    def bler(self, snr_db: float) -> float:
        return NormalDist().cdf((self.mean_db - snr_db) / self.spread_db)

    def required_snr_db(self, bler: float) -> float:
        return self.mean_db - self.spread_db * NormalDist().inv_cdf(bler)


def choose_mcs(payload_bits: int, snr_db: float, purpose: Purpose, rule: McsRule = "adaptive") -> Mcs:
    """The scheme that sends a payload in the fewest symbols and still as safely as its purpose asks.

    Args:
        payload_bits: Length of the payload.
        snr_db: Es/N0 that the transmitter believes.
        purpose: What the payload is for, see ``PROTECTION``.
        rule: Other than ``adaptive``: what a paper uses at this SNR, however safe that is.

    Returns:
        An entry of the ladder; the lowest where none is safe enough.
    """
    if rule == "gvsc":
        return mcs_at(TURBO_INDEX, payload_bits)
    if rule == "lgvsc-table-1":
        row = [step for from_db, step in TABLE_1_STEPS if not snr_db < from_db][-1]
        return mcs_at(len(LADDER) + TABLE_1_LADDER.index(row), payload_bits)
    safe = [
        mcs
        for mcs in (mcs_at(index, payload_bits) for index in range(len(LADDER)))
        if required_snr_db(payload_bits, mcs, purpose) <= snr_db
    ]
    return min(safe, key=lambda mcs: (symbol_count(payload_bits, mcs), mcs.index), default=mcs_at(0, payload_bits))


def required_snr_db(payload_bits: int, mcs: Mcs, purpose: Purpose) -> float:
    """Es/N0 in dB from which a scheme is safe enough for a payload, margin included."""
    protection = PROTECTION[purpose]
    blocks = block_count(payload_bits, mcs)
    fall = waterfall(-(-payload_bits // blocks), mcs)
    return fall.required_snr_db(protection.bler / blocks) + protection.margin_db


def waterfall(block_bits: int, mcs: Mcs) -> Waterfall:
    """Block error rate of one block of a scheme, between the lengths that were simulated."""
    return _between(_table().data[mcs.index, mcs.code], block_bits)


def control_required_snr_db(symbols: int, payload_bits: int, protection: Protection = PROTECTION["control"]) -> float:
    """Es/N0 in dB from which a control block in the format of so many symbols is safe, margin included."""
    return control_waterfall(symbols, payload_bits).required_snr_db(protection.bler) + protection.margin_db


def control_waterfall(symbols: int, payload_bits: int) -> Waterfall:
    """Block error rate of a control format, between the lengths that were simulated."""
    return _between(_table().control[symbols], payload_bits)


Falls = dict[int, Waterfall]  # by payload bits


@dataclass(frozen=True, slots=True)
class _Table:
    data: dict[tuple[int, str], Falls]
    control: dict[int, Falls]


@lru_cache(maxsize=1)
def _table() -> _Table:
    """The stored measurement; ``lgvsc.training.link_adaptation`` makes it."""
    stored = tomllib.loads(resources.files("lgvsc.coding.modem").joinpath(TABLE).read_text(encoding="utf-8"))
    data: dict[tuple[int, str], Falls] = {}
    control: dict[int, Falls] = {}
    for row in stored["data"]:
        data.setdefault((row["index"], row["code"]), {})[row["payload_bits"]] = _fall(row)
    for row in stored["control"]:
        control.setdefault(row["symbols"], {})[row["payload_bits"]] = _fall(row)
    return _Table(data, control)


def _fall(row: Mapping[str, Any]) -> Waterfall:
    return Waterfall(float(row["mean_db"]), float(row["spread_db"]))


def _between(falls: Falls, payload_bits: int) -> Waterfall:
    """Linear in the logarithm of the length; beyond the ends, the value at the end."""
    lengths = sorted(falls)
    at = [log2(length) for length in lengths]
    where = log2(payload_bits)
    return Waterfall(
        float(np.interp(where, at, [falls[length].mean_db for length in lengths])),
        float(np.interp(where, at, [falls[length].spread_db for length in lengths])),
    )
