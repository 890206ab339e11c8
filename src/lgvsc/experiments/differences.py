"""How far every scheme is from an anchor on the same clip, channel and budget: paired, so that clips cancel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from lgvsc.experiments.compare_table import QUALITIES, Point, Row, half_width_95
from lgvsc.metrics.registry import BY_COLUMN


@dataclass(frozen=True, slots=True)
class Difference:
    """One scheme minus the anchor at one point, in one metric.

    Attributes:
        metric: Key of the metric.
        mean: Over clips, in the metric's own unit; trials of a clip are averaged first.
        half_width: Half of its 95 % interval (Student's t over clips); ``None`` below two clips.
        n, ahead: Clips, and how many of them have the scheme ahead of the anchor.
    """

    point: Point
    metric: str
    mean: float
    half_width: float | None
    n: int
    ahead: int


def differences(rows: Sequence[Row], anchor: str, metrics: Iterable[str] = QUALITIES) -> list[Difference]:
    """Every other scheme against the anchor, wherever both have results on the same clips.

    Args:
        rows: Of a comparison.
        anchor: A scheme's name as tables call it.
        metrics: Keys; those without a better direction, such as sharpness, are left out.
    """
    good = [row for row in rows if not row.error]
    points = dict.fromkeys(Point(row.name, row.snr_db, row.cbr_target) for row in good if row.name != anchor)
    found = []
    for point in points:
        for metric in metrics:
            if BY_COLUMN[metric].direction not in ("higher", "lower"):
                continue
            theirs = by_clip(good, point._replace(name=anchor), metric)
            pairs = [(ours, theirs[clip]) for clip, ours in by_clip(good, point, metric).items() if clip in theirs]
            if pairs:
                found.append(difference(point, metric, [ours - other for ours, other in pairs]))
    return found


def by_clip(rows: Iterable[Row], point: Point, metric: str) -> dict[str, float]:
    """Mean over trials of one metric at one point, for each clip that has it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        value = getattr(row, metric)
        if Point(row.name, row.snr_db, row.cbr_target) == point and value is not None:
            values.setdefault(row.clip, []).append(float(value))
    return {clip: fmean(each) for clip, each in values.items()}


def difference(point: Point, metric: str, each: Sequence[float]) -> Difference:
    """The mean of differences of clips, with its interval."""
    sign = -1 if BY_COLUMN[metric].direction == "lower" else 1
    ahead = sum(sign * value > 0 for value in each)
    return Difference(point, metric, fmean(each), half_width_95(each), len(each), ahead)


def difference_table(found: Sequence[Difference]) -> tuple[list[str], list[list[str]]]:
    """Header and cells for people: a line for each point, a column for each metric, ``mean ± half width (ahead)``."""
    metrics = list(dict.fromkeys(one.metric for one in found))
    cell = {(one.point, one.metric): one for one in found}
    order = sorted(
        dict.fromkeys(one.point for one in found), key=lambda p: (p.cbr_target or math.inf, p.snr_db, p.name)
    )
    lines = []
    for point in order:
        mine = [cell.get((point, metric)) for metric in metrics]
        limit = "-" if point.cbr_target is None else f"{point.cbr_target:.1e}"
        clips = max(one.n for one in mine if one)
        lines.append([limit, f"{point.snr_db:g}", point.name, str(clips), *(shown(one) for one in mine)])
    return ["CBR limit", "SNR dB", "scheme", "n", *(BY_COLUMN[metric].label for metric in metrics)], lines


def shown(one: Difference | None) -> str:
    """A cell of the table."""
    if one is None:
        return "-"
    digits = BY_COLUMN[one.metric].digits
    half = "" if one.half_width is None else f" ± {one.half_width:.{digits}f}"
    return f"{one.mean:+.{digits}f}{half} ({one.ahead})"
