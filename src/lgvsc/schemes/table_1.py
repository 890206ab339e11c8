"""LGVSC's Table I, the parameters of its conventional schemes, and the two ways of reading its SNR."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from math import log2, log10
from typing import Literal, TypeAlias

from lgvsc.coding.frames.elementary import CodecName
from lgvsc.errors import ConfigError

SnrDef: TypeAlias = Literal["esn0", "ebn0"]

TABLE = "table_1.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow:
    """One row. Source: Ma et al. 2026 (arXiv:2606.12899), Table I.

    Attributes:
        snr_db: The channel for which the paper chose these parameters.
        codec: Name of the standard.
        qp: Constant quantiser.
        gop_frames: Frames from one intra frame to the next.
        code_rate: Of the LDPC code.
        bits_per_symbol: 2 for 4-QAM, 4 for 16-QAM.
    """

    snr_db: float
    codec: CodecName
    qp: int
    gop_frames: int
    code_rate: float
    bits_per_symbol: int

    @property
    def efficiency(self) -> float:
        """Information bits per symbol."""
        return self.code_rate * self.bits_per_symbol

    def in_words(self) -> str:
        """For people."""
        rate = Fraction(self.code_rate).limit_denominator(16)
        return f"QP {self.qp}, groups of {self.gop_frames} frames, {2**self.bits_per_symbol}-QAM, LDPC of rate {rate}"

    def esn0_db(self, snr_db: float, snr_def: SnrDef) -> float:
        """Es/N0 of the channel when "SNR" is read as ``snr_def``."""
        return snr_db + (10 * log10(self.efficiency) if snr_def == "ebn0" else 0.0)

    def above_capacity(self, snr_db: float, snr_def: SnrDef) -> bool:
        """Whether no code of this rate can be received over AWGN."""
        return self.efficiency > log2(1 + 10 ** (self.esn0_db(snr_db, snr_def) / 10))


def paper_row(codec: CodecName, snr_db: float) -> PaperRow:
    """The row for a channel: the last one whose SNR is reached, and the first one below all of them.

    Raises:
        ConfigError: The table has no such codec.
    """
    rows = [row for row in table_1() if row.codec == codec]
    if not rows:
        raise ConfigError(f"Table I of LGVSC has no row for {codec!r}; use mode = 'adaptive', or h264 or h265")
    return max((row for row in rows if row.snr_db <= snr_db), key=lambda row: row.snr_db, default=rows[0])


@lru_cache(maxsize=1)
def table_1() -> tuple[PaperRow, ...]:
    """All rows, by rising SNR."""
    stored = tomllib.loads(resources.files("lgvsc.schemes").joinpath(TABLE).read_text(encoding="utf-8"))
    rows = [PaperRow(**row | {"code_rate": float(Fraction(row["code_rate"]))}) for row in stored["row"]]
    return tuple(sorted(rows, key=lambda row: row.snr_db))
