"""BD-rate: how many more symbols a scheme needs than an anchor for the same quality, per clip and then averaged.

Curves of quality over CBR are interpolated by the package ``bjontegaard`` (extra ``bench``), in Akima's pieces, over
the quality that both reach. A clip whose curve does not rise everywhere, or does not meet the anchor's, has no BD-rate
and is counted as left out; nothing stands in for it.

Source: Bjøntegaard 2001, "Calculation of average PSNR differences between RD-curves" (VCEG-M33); Herglotz et al. 2022,
"Beyond Bjøntegaard: limits of video compression performance comparisons", for the interpolation.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from lgvsc.errors import MissingResourceError
from lgvsc.experiments.compare_table import Row, half_width_95
from lgvsc.kinds import CONVENTIONAL
from lgvsc.metrics.registry import BY_COLUMN

MIN_POINTS = 4  # of a curve, as the interpolation wants them
METHOD = "akima"
Curve = list[tuple[float, float]]  # CBR and quality, larger is better


@dataclass(frozen=True, slots=True)
class BdRate:
    """A scheme against the anchor at one SNR.

    Attributes:
        metric: Key of the quality that is held.
        percent: Mean over clips of the symbols needed beyond the anchor's, below 0 for fewer; ``None`` without clips.
        half_width: Half of its 95 % interval over clips; ``None`` below two clips.
        n, left_out: Clips averaged, and clips without a BD-rate.
    """

    name: str
    snr_db: float
    metric: str
    percent: float | None
    half_width: float | None
    n: int
    left_out: int


def bd_rates(rows: Sequence[Row], anchor: str, metrics: Iterable[str]) -> list[BdRate]:
    """Every other scheme against the anchor, at every SNR, for each of some metrics.

    Args:
        rows: Of a comparison over at least four budgets; with fewer there is nothing to interpolate.
        anchor: A scheme's name as tables call it.

    Raises:
        MissingResourceError: The package ``bjontegaard`` is not installed.
    """
    good = [row for row in rows if not row.error and row.cbr]
    names = [name for name in dict.fromkeys(row.name for row in good) if name != anchor]
    found = []
    for metric in metrics:
        for snr_db in sorted({row.snr_db for row in good}):
            at = [row for row in good if row.snr_db == snr_db and getattr(row, metric) is not None]
            curves = {
                (name, clip): curve_of([row for row in at if (row.name, row.clip) == (name, clip)], metric)
                for name, clip in dict.fromkeys((row.name, row.clip) for row in at)
            }
            for name in names:
                clips = [clip for other, clip in curves if other == name]
                if not any(len(curves[name, clip]) >= MIN_POINTS for clip in clips):
                    continue
                each = [bd_rate(curves.get((anchor, clip), []), curves[name, clip]) for clip in clips]
                known = [value for value in each if value is not None]
                mean = fmean(known) if known else None
                half, left_out = half_width_95(known), len(each) - len(known)
                found.append(BdRate(name, snr_db, metric, mean, half, len(known), left_out))
    return found


def curve_of(rows: Sequence[Row], metric: str) -> Curve:
    """Mean CBR and quality at each budget, in the order of the CBR; turned over where lower is better."""
    sign = -1.0 if BY_COLUMN[metric].direction == "lower" else 1.0
    budgets: dict[float | None, list[Row]] = {}
    for row in rows:
        budgets.setdefault(row.cbr_target, []).append(row)
    points = [
        (fmean(row.cbr or 0.0 for row in group), sign * fmean(getattr(row, metric) for row in group))
        for group in budgets.values()
    ]
    return sorted(points)


def bd_rate(anchor: Curve, other: Curve) -> float | None:
    """Percent of symbols beyond the anchor's for the same quality; ``None`` where the curves do not allow it.

    Raises:
        MissingResourceError: The package ``bjontegaard`` is not installed.
    """
    try:
        import bjontegaard
    except ImportError as error:
        raise MissingResourceError("BD-rate needs bjontegaard: pip install 'lgvsc[bench]'") from error
    for curve in (anchor, other):
        rises = all(one[0] < next_[0] and one[1] < next_[1] for one, next_ in pairwise(curve))
        if len(curve) < MIN_POINTS or not rises:
            return None
    if anchor[0][1] >= other[-1][1] or other[0][1] >= anchor[-1][1]:
        return None
    columns = [[point[place] for point in curve] for curve in (anchor, other) for place in (0, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a small overlap, which the intervals tell
        value = float(bjontegaard.bd_rate(*columns, method=METHOD, require_matching_points=False, min_overlap=0))
    return value if math.isfinite(value) else None


def choose_anchor(names: Sequence[str], asked: str | None = None) -> str:
    """Whom the others are compared with: the one that was asked for, else the last codec, else the last scheme."""
    if asked is not None:
        return asked
    codecs = [name for name in names if name in CONVENTIONAL.schemes]
    return (codecs or list(names))[-1]


def bd_table(found: Sequence[BdRate]) -> tuple[list[str], list[list[str]]]:
    """Header and cells for people."""
    cells = []
    for row in found:
        value = "-" if row.percent is None else f"{row.percent:+.1f}"
        half = "-" if row.half_width is None else f"{row.half_width:.1f}"
        cells.append(
            [BY_COLUMN[row.metric].label, f"{row.snr_db:g}", row.name, value, half, str(row.n), str(row.left_out)]
        )
    return ["at equal", "SNR dB", "scheme", "BD-rate %", "± 95 %", "clips", "left out"], cells
