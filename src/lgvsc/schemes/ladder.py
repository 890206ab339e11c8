"""GVSC's adaptive strategy: with less channel, less picture and more meaning, by switch points that were measured.

GVSC has one threshold: above it description and visuals are sent, below it the description alone (section II-B2).
Here it is a ladder over all of its schemes, from words alone up to the first frame. A scheme is taken at an SNR where
it was measured to be better than everything cheaper, surely and by enough for what it costs. The receiver is told
nothing: the control block of each burst says what is in it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from math import inf, log2

from lgvsc.errors import ConfigError

TABLE = "ladder.toml"
WORDS = "text-only"
RUNGS = (WORDS, "gvsc-sketch", "gvsc-sketches", "gvsc-first-frame")


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderConfig:
    """What ``gvsc-adaptive`` goes by.

    Attributes:
        threshold_db: The paper's rule: below this Es/N0 words alone, else ``visuals``. ``None`` climbs the ladder.
        visuals: The scheme above the threshold.
    """

    threshold_db: float | None = None
    visuals: str = "gvsc-first-frame"

    def __post_init__(self) -> None:
        if self.visuals not in RUNGS:
            raise ConfigError(f"ladder.visuals is {self.visuals!r}; there are {', '.join(RUNGS)}")


@dataclass(frozen=True, slots=True)
class Rung:
    """A scheme as it was measured.

    Attributes:
        cbr: What it used, SNR by SNR, as everything is counted.
        ssim: Mean over clips, SNR by SNR.
    """

    scheme: str
    cbr: tuple[float, ...]
    ssim: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Switch points and what they were learned from.

    Attributes:
        clips: Over how many clips each mean is.
        snrs_db: Where was measured, rising.
        steps: From which SNR on which scheme is taken, rising; the first from minus infinity.
        rungs: The measurements.
        worth: SSIM that a doubling of the symbols must bring.
    """

    clips: int
    snrs_db: tuple[float, ...]
    steps: tuple[tuple[float, str], ...]
    rungs: tuple[Rung, ...]
    worth: float

    def at(self, snr_db: float) -> str:
        """The scheme that is taken at an SNR."""
        return [scheme for from_db, scheme in self.steps if not snr_db < from_db][-1]


def choose_rung(
    snr_db: float, config: LadderConfig | None = None, ladder: Ladder | None = None, max_cbr: float | None = None
) -> tuple[str, str]:
    """The scheme for a channel, and why.

    Args:
        snr_db: Es/N0 that the transmitter believes.
        ladder: What was measured; by default what is shipped.
        max_cbr: A budget. Where the rung was measured to use more, the best of what fits is taken, or words alone.
    """
    config = config or LadderConfig()
    if config.threshold_db is not None:
        scheme, side = (WORDS, "below") if snr_db < config.threshold_db else (config.visuals, "not below")
        return scheme, f"gvsc-adaptive chose {scheme}: {snr_db:g} dB is {side} ladder.threshold_db"
    ladder = ladder or shipped_ladder()
    scheme = ladder.at(snr_db)
    nearest = min(range(len(ladder.snrs_db)), key=lambda place: abs(ladder.snrs_db[place] - snr_db))
    reason = f"the rung for {snr_db:g} dB"
    taken = next((rung for rung in ladder.rungs if rung.scheme == scheme), None)
    if max_cbr is not None and taken is not None and taken.cbr[nearest] > max_cbr:
        reason = f"{scheme} used more than the budget at {ladder.snrs_db[nearest]:g} dB"
        scheme = best_within(ladder, nearest, max_cbr)
    reason = f"gvsc-adaptive chose {scheme}: {reason}"
    at = next((rung for rung in ladder.rungs if rung.scheme == scheme), None)
    if at is not None:
        reason += (
            f"; at {ladder.snrs_db[nearest]:g} dB mean SSIM was {at.ssim[nearest]:.3f} at CBR {at.cbr[nearest]:.1e}"
        )
    return scheme, reason + f" (n = {ladder.clips} clips, AWGN)"


def best_within(ladder: Ladder, place: int, max_cbr: float) -> str:
    """Of the rungs within a budget at a measured SNR, the last that is worth its symbols; the cheapest if none is."""
    by_cost = sorted(ladder.rungs, key=lambda rung: rung.cbr[place])
    best = by_cost[0]
    for rung in by_cost[1:]:
        doublings = log2(rung.cbr[place] / best.cbr[place])
        if rung.cbr[place] <= max_cbr and rung.ssim[place] - best.ssim[place] >= ladder.worth * doublings:
            best = rung
    return best.scheme


@lru_cache(maxsize=1)
def shipped_ladder() -> Ladder:
    """The ladder that lgvsc ships.

    Raises:
        ConfigError: None does.
    """
    if not resources.files("lgvsc.schemes").joinpath(TABLE).is_file():
        raise ConfigError(
            "no measured ladder is here; make one with lgvsc train ladder, or set ladder.threshold_db, below which "
            "words alone are sent"
        )
    return parse(resources.files("lgvsc.schemes").joinpath(TABLE).read_text(encoding="utf-8"))


def parse(text: str) -> Ladder:
    """Read what ``lgvsc train ladder`` wrote."""
    stored = tomllib.loads(text)
    steps = [
        (-inf if step["from_db"] == "always" else float(step["from_db"]), step["scheme"]) for step in stored["step"]
    ]
    rungs = [Rung(row["scheme"], tuple(row["cbr"]), tuple(row["ssim"])) for row in stored["rung"]]
    return Ladder(
        int(stored["clips"]), tuple(map(float, stored["snr_db"])), tuple(steps), tuple(rungs), stored["worth"]
    )
