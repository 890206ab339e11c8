"""Where the symbols went: every one of them, by purpose and by segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lgvsc.core.air import PURPOSES, Burst
from lgvsc.core.video import VideoFormat


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One part of one burst."""

    segment: int
    purpose: str
    label: str
    symbols: int
    payload_bits: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """All symbols sent for one video, and the rates that follow from them.

    CBR is symbols over ``3 x H x W x F`` of the *source*: control, CRC, parity, padding, preambles and the
    closing keyframe are all in it.
    """

    entries: tuple[LedgerEntry, ...]
    video: VideoFormat

    @classmethod
    def of(cls, bursts: Iterable[Burst], video: VideoFormat) -> Ledger:
        """The ledger of some bursts. ``video.frames`` must be the number of source frames."""
        return cls(tuple(entry for burst in bursts for entry in charge(burst)), video)

    @property
    def symbols(self) -> dict[str, int]:
        """Symbols by purpose, with ``total``."""
        count = Counter[str]()
        for entry in self.entries:
            count[entry.purpose] += entry.symbols
        return {purpose: count[purpose] for purpose in PURPOSES} | {"total": count.total()}

    def labelled(self, label: str) -> int:
        """Symbols spent under one label, for example ``"closing keyframe"``."""
        return sum(entry.symbols for entry in self.entries if entry.label == label)

    @property
    def cbr(self) -> float:
        frames = self.video.frames or 0
        return self.symbols["total"] / (3 * self.video.height * self.video.width * max(1, frames))

    @property
    def symbols_per_s(self) -> float:
        return self.symbols["total"] / (self.video.duration_s or 1.0)

    @property
    def kbit_per_s(self) -> float:
        """Information bits of the digital parts per second of video, in thousands."""
        return sum(entry.payload_bits for entry in self.entries) / 1000 / (self.video.duration_s or 1.0)

    def airtime_s(self, symbol_rate_hz: float) -> float:
        """Seconds on the air at a given number of symbols per second."""
        return self.symbols["total"] / symbol_rate_hz


def charge(burst: Burst) -> list[LedgerEntry]:
    """One entry for each part of a burst."""
    return [LedgerEntry(burst.index, p.purpose, p.label, len(p), p.payload_bits) for p in burst.parts]
