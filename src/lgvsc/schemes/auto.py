"""Which scheme suits a channel and a budget: a rule learned from measurements, not a belief.

The measurements are mean qualities over clips on a grid of SNR and CBR, made by ``lgvsc compare`` and stored by
``lgvsc train auto``. Between grid points they are interpolated, in dB and in the logarithm of the CBR.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import chain
from math import log10
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from lgvsc.coding.burst.control_block import MAX_CONTROL_SYMBOLS
from lgvsc.coding.burst.framing import MAX_BURST_SYMBOLS, ControlRead, bursts
from lgvsc.coding.message_codec import read_control as read_message_control
from lgvsc.core.air import Burst, Reception
from lgvsc.core.interfaces import Rebuilt, Scheme
from lgvsc.core.message import Segment
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.schemes.conventional import read_control

Goal: TypeAlias = Literal["ms_ssim", "ssim", "psnr_db", "lpips", "dists"]
Family: TypeAlias = Literal["generative", "conventional"]

GOALS: tuple[Goal, ...] = get_args(Goal)
WORDS: dict[Goal, tuple[str, str]] = {
    "ms_ssim": ("MS-SSIM", ".3f"),
    "ssim": ("SSIM", ".3f"),
    "psnr_db": ("PSNR", ".2f"),
    "lpips": ("LPIPS", ".3f"),
    "dists": ("DISTS", ".3f"),
}
DISTANCES: tuple[Goal, ...] = ("lpips", "dists")  # the less the better
TABLE, TABLE_OF_LOOKS = "auto.toml", "auto_looks.toml"  # for all but distances, and for these
OVERSHOOT = 1.05  # a scheme that used more than this times the budget does not count as one that fits it


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoConfig:
    """What ``auto`` goes by.

    Attributes:
        objective: The quality in which the chosen scheme is the best. Empty: LPIPS where the run's objective is look,
            MS-SSIM where it is structure.
    """

    objective: Goal | Literal[""] = ""

    def __post_init__(self) -> None:
        if self.objective and self.objective not in GOALS:
            raise ConfigError(f"auto.objective is {self.objective!r}; there are {', '.join(GOALS)}")


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What was measured of one scheme.

    Attributes:
        used: CBR really used, over the CBR allowed, ``(SNRs, CBRs)``.
        quality: Mean over clips by objective, as far as it was measured, ``(SNRs, CBRs)``.
    """

    name: str
    used: NDArray[np.float64]
    quality: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """A grid of measurements.

    Attributes:
        clips: Over how many clips each mean is.
        snrs_db, cbrs: The grid, rising.
        schemes: At least one.
    """

    clips: int
    snrs_db: tuple[float, ...]
    cbrs: tuple[float, ...]
    schemes: tuple[Curves, ...]

    def at(self, values: NDArray[np.float64], snr_db: float, cbr: float) -> float:
        """A measured quantity between grid points, bilinear in dB and log CBR; outside, what is at the edge."""
        logs = [log10(known) for known in self.cbrs]
        rows = [float(np.interp(log10(cbr), logs, row)) for row in values]
        return float(np.interp(snr_db, self.snrs_db, rows))

    def covers(self, snr_db: float, cbr: float) -> bool:
        """Whether a point lies within the grid."""
        near = 1 + 1e-9
        return self.snrs_db[0] <= snr_db <= self.snrs_db[-1] and self.cbrs[0] / near <= cbr <= self.cbrs[-1] * near


@dataclass(frozen=True, slots=True)
class Verdict:
    """A choice and its reason, in words."""

    scheme: str
    reason: str


def choose_scheme(snr_db: float, cbr: float, goal: Goal = "ms_ssim", known: Measurements | None = None) -> Verdict:
    """The scheme with the best expected quality among those that keep within the budget.

    Args:
        snr_db: Es/N0 that the transmitter believes.
        cbr: What all symbols together may take.
        goal: Which quality counts.
        known: What was measured; by default what is shipped.
    """
    known = known or measurements(goal)
    sign = 1 if goal in DISTANCES else -1
    ranked = sorted(known.schemes, key=lambda curves: sign * known.at(curves.quality[goal], snr_db, cbr))
    fitting = [curves for curves in ranked if known.at(curves.used, snr_db, cbr) <= OVERSHOOT]
    best = (fitting or sorted(known.schemes, key=lambda curves: known.at(curves.used, snr_db, cbr)))[0]
    name, digits = WORDS[goal]

    def describe(curves: Curves) -> str:
        return f"{known.at(curves.quality[goal], snr_db, cbr):{digits}} of {curves.name}"

    reason = f"auto chose {best.name}: at {snr_db:g} dB and CBR {cbr:.1e} mean {name} is {describe(best)}"
    others = [curves for curves in fitting if curves is not best]
    second = others[:1]
    other_family = [curves for curves in others if family(curves.name) != family(best.name)][:1]
    against = list(dict.fromkeys([*second, *other_family]))
    reason += f" against {' and '.join(describe(curves) for curves in against)}" if against else ""
    reason += f" (n = {known.clips} clips, AWGN)"
    if not fitting:
        reason += "; no scheme kept to so small a budget, this one came nearest"
    if out := [curves.name for curves in ranked if curves not in fitting and curves is not best]:
        reason += f"; {', '.join(out)} used more than the budget"
    if not known.covers(snr_db, cbr):
        reason += (
            f"; measured were {known.snrs_db[0]:g} to {known.snrs_db[-1]:g} dB and CBR {known.cbrs[0]:.0e} to "
            f"{known.cbrs[-1]:.1e}, so this is what was best at the edge"
        )
    return Verdict(best.name, reason)


def family(name: str) -> Family:
    """Which kind of scheme an id names."""
    return "conventional" if name.endswith("-ldpc") else "generative"


@lru_cache(maxsize=len(GOALS))
def measurements(goal: Goal = "ms_ssim") -> Measurements:
    """The shipped measurements of a quality."""
    table = TABLE_OF_LOOKS if goal in DISTANCES else TABLE
    return parse(resources.files("lgvsc.schemes").joinpath(table).read_text(encoding="utf-8"))


def parse(text: str) -> Measurements:
    """Read what ``lgvsc train auto`` wrote."""
    stored = tomllib.loads(text)
    cbrs = tuple(float(cbr) for cbr in stored["cbr"])
    schemes = tuple(
        Curves(
            row["name"],
            np.array(row["cbr_used"], dtype=np.float64) / np.array(cbrs),
            {goal: np.array(row[goal], dtype=np.float64) for goal in GOALS if goal in row},
        )
        for row in stored["scheme"]
    )
    return Measurements(int(stored["clips"]), tuple(float(snr) for snr in stored["snr_db"]), cbrs, schemes)


# Receiver


class AutoReceiver:
    """A receiver that nobody told which scheme is sending: the first control block that it can read tells.

    Args:
        make: A scheme that receives everything of one family.
    """

    name = "auto"

    def __init__(self, make: Callable[[Family], Scheme]) -> None:
        self._make = make

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """A transmitter must have chosen: see ``choose_scheme``."""
        raise ConfigError("auto sends nothing by itself; take the scheme that choose_scheme names")

    def reconstruct(
        self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None] = lambda _: None
    ) -> Iterator[Rebuilt]:
        """The video, by the scheme that its symbols announce. What came before is kept, up to two longest bursts."""
        stream, heard = iter(receptions), list[Reception]()

        def beginning() -> Iterator[Reception]:
            symbols = 0
            for reception in stream:
                heard.append(reception)
                yield reception
                symbols += len(reception)
                if symbols > 2 * MAX_BURST_SYMBOLS:
                    return

        scheme = self._make(family_of(beginning()) or "generative")
        yield from scheme.reconstruct(chain(heard, stream), on_segment)


def family_of(receptions: Iterable[Reception]) -> Family | None:
    """Which kind of scheme sent what was received, by the first control block that can be read; ``None``: none."""

    def either(received: Reception) -> ControlRead[Family] | None:
        if coded := read_control(received):
            return ControlRead("conventional", coded.control_symbols, 0)
        read = read_message_control(received)
        return ControlRead("generative", read[1], 0) if read else None

    return next((kind for kind, _ in bursts(receptions, either, control_symbols=MAX_CONTROL_SYMBOLS)), None)
