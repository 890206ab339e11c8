"""Which threshold meets a target: SKEM replayed on known clips, as a quantiser is chosen for a codec."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lgvsc.core.video import Frame, VideoFormat, with_frames
from lgvsc.errors import ConfigError
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.keyframes import KeyframeConfig, Scorer, looked_at, skem
from lgvsc.semantics.passages import Sighting, sightings

GRID = 100  # thresholds are told apart to a hundredth
LOWEST = -90  # on the grid; below it nearly every sample is a keyframe
MAX_SAMPLES = 300  # frames held at once, about a minute of video
MAX_SAMPLE_BYTES = 256_000_000  # or fewer, where they are large


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a message costs in complex symbols.

    Attributes:
        keyframe_cbr: Symbols of one picture over its ``3 x H x W``.
        segment_symbols: Everything else that a segment sends: control, caption, side information.
    """

    keyframe_cbr: float = 0.0
    segment_symbols: float = 0.0

    def symbols(self, segments: float, video: VideoFormat) -> float:
        """Of a video with so many segments and one keyframe more."""
        return (segments + 1) * self.keyframe_cbr * 3 * video.height * video.width + segments * self.segment_symbols


@dataclass(frozen=True, slots=True)
class ClipCurve:
    """How many segments SKEM makes of one clip, by threshold.

    Attributes:
        video: Format of the clip, with its true length.
        steps: ``(threshold, segments)``, thresholds falling: so many segments from this threshold up to the
            one before it.
    """

    video: VideoFormat
    steps: tuple[tuple[float, int], ...]

    def segments(self, threshold: float) -> int:
        """Segments at a threshold; below the lowest one that was tried, as many as there."""
        return next((count for at, count in self.steps if at <= threshold), self.steps[-1][1])


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a threshold costs: means over all clips."""

    threshold: float
    keyframes: float  # of a clip, the closing one included
    cbr: float
    symbols_per_s: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold for a target.

    Attributes:
        chosen: The point that comes closest to the target from below.
        within: Whether the target is kept. It cannot be where even one segment per clip costs more.
        curve: All thresholds that were told apart, falling.
    """

    chosen: CurvePoint
    within: bool
    curve: tuple[CurvePoint, ...]

    @property
    def threshold(self) -> float:
        return self.chosen.threshold

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def calibrate_threshold(
    curves: Iterable[ClipCurve],
    *,
    keyframes: float | None = None,
    cbr: float | None = None,
    symbols_per_s: float | None = None,
    prices: Prices | None = None,
) -> Calibration:
    """The threshold that spends most of a target without exceeding it.

    Args:
        curves: One for each clip, from :func:`clip_curve`; a single one adapts the threshold to that file.
        keyframes, cbr, symbols_per_s: The target, exactly one of them: mean keyframes of a clip, mean CBR, or
            complex symbols per second over all clips.
        prices: What keyframes and segments cost; needed for the last two.

    Raises:
        ConfigError: No clips, not exactly one target, or a target in symbols without prices.

    Source: Ma et al. 2026 (arXiv:2606.12899), section II-C2: eta_th is set against a CBR budget on held-out clips.
    """
    targets = {"keyframes": keyframes, "cbr": cbr, "symbols_per_s": symbols_per_s}
    given = [(name, target) for name, target in targets.items() if target is not None]
    if len(given) != 1 or not given[0][1] > 0:
        raise ConfigError(f"give one positive target out of {', '.join(targets)}")
    name, target = given[0]
    if prices is None and name != "keyframes":
        raise ConfigError(f"a target for {name} needs prices: what a keyframe and a segment cost")
    known = list(curves)
    if not known:
        raise ConfigError("there is no clip to calibrate on")

    thresholds = sorted({at for curve in known for at, _ in curve.steps}, reverse=True)
    points = tuple(curve_point(known, threshold, prices or Prices()) for threshold in thresholds)
    affordable = [point for point in points if getattr(point, name) <= target]
    if not affordable:
        return Calibration(min(points, key=lambda point: getattr(point, name)), False, points)
    return Calibration(max(affordable, key=lambda point: (getattr(point, name), point.threshold)), True, points)


def curve_point(curves: Sequence[ClipCurve], threshold: float, prices: Prices) -> CurvePoint:
    """Means over clips at one threshold."""
    segments = [curve.segments(threshold) for curve in curves]
    symbols = [prices.symbols(count, curve.video) for count, curve in zip(segments, curves, strict=True)]
    volumes = [3 * c.video.height * c.video.width * (c.video.frames or 1) for c in curves]
    duration_s = sum(curve.video.duration_s or 0.0 for curve in curves)
    return CurvePoint(
        threshold,
        keyframes=1 + sum(segments) / len(curves),
        cbr=sum(s / v for s, v in zip(symbols, volumes, strict=True)) / len(curves),
        symbols_per_s=sum(symbols) / duration_s if duration_s else float("inf"),
    )


def clip_curve(frames: Iterable[Frame], video: VideoFormat, config: KeyframeConfig, score: Scorer) -> ClipCurve:
    """Replay SKEM on a video at every threshold that makes a difference.

    Only frames that SKEM looks at are held, and each pair of them is scored once, however many thresholds meet
    it. So that memory stays bounded, a video of more than about a minute is replayed in pieces, each of which
    starts with a keyframe; and a segment of ``max_segment_frames`` ends with the next frame that is looked at.

    Args:
        frames: The video, from index 0 on; read once.
        video: Its size and rate.
        config: Everything but the threshold, which is what is being looked for.
        score: Divergence of a keyframe and each candidate.
    """
    room = max(16, min(MAX_SAMPLES, MAX_SAMPLE_BYTES // (3 * video.height * video.width)))
    pieces: list[dict[int, int]] = []
    held: list[Sighting] = []
    count = 0
    for seen in sightings(frames, video, CutDetector()):
        count = seen.frame.index + 1
        if not held or looked_at(seen, video, config) or seen.role in ("departure", "bend", "arrival"):
            held.append(seen)
        if len(held) == room:
            pieces.append(replay_all(held, video, config, score))
            held = []
    if held:
        pieces.append(replay_all(held, video, config, score))
    total = {at: sum(piece[at] for piece in pieces) for at in range(GRID - 1, LOWEST - 1, -1)}
    steps = [(at / GRID, total[at]) for at in total if total.get(at - 1) != total[at]]
    return ClipCurve(with_frames(video, count), tuple(steps))


def replay_all(held: Sequence[Sighting], video: VideoFormat, config: KeyframeConfig, score: Scorer) -> dict[int, int]:
    """Segments at each threshold of the grid.

    SKEM does the same at all thresholds from one down to the largest divergence that did not exceed it, so most
    of the grid needs no replay.
    """
    known: dict[tuple[int, int], float | None] = {}

    def remembered(keyframe: Frame, candidates: Sequence[Frame]) -> list[float | None]:
        new = [frame for frame in candidates if (keyframe.index, frame.index) not in known]
        if new:
            found = score(keyframe, new)
            known.update(((keyframe.index, f.index), value) for f, value in zip(new, found, strict=True))
        return [known[keyframe.index, frame.index] for frame in candidates]

    segments: dict[int, int] = {}
    at = GRID - 1
    while at >= LOWEST:
        setting = replace(config, method="skem", threshold=at / GRID, mean_spacing_frames=0)
        choices = list(skem(held, video, setting, remembered))
        low = [c.divergence for c in choices if c.divergence is not None and c.divergence <= at / GRID]
        same_down_to = max(LOWEST, math.ceil(max(low) * GRID)) if low else LOWEST
        same_down_to = min(same_down_to, at)  # ceil of a product may land a step too high
        segments |= dict.fromkeys(range(same_down_to, at + 1), sum(choice.keyframe for choice in choices))
        at = same_down_to - 1
    return segments
