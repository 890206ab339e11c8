"""Plots as SVG, drawn here: they stand in a file of their own and inside the report alike, in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lgvsc.ui.text import esc

PROVENANCE = ("received", "generated", "concealed", "missing")
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 22, 26
STRIP = 12  # height of the provenance strip
MAX_POINTS = 2000  # a curve is thinned to about so many; every peak stays

# Each colour is the page's where the page sets one, else the one given here.
STYLE = """
.tl{font:12px system-ui,sans-serif;background:var(--card,#fff)}
.tl text{fill:var(--muted,#5c6470)}
.tl .grid{stroke:var(--line,#e3e6ea)}
.tl .curve{fill:none;stroke:var(--accent,#2563c9);stroke-width:1.8;stroke-linejoin:round}
.tl .hit{fill:var(--warm,#c2410c)}
.tl .threshold{stroke:var(--warm,#c2410c);stroke-width:1.4;stroke-dasharray:6 4}
.tl .threshold-text{fill:var(--warm,#c2410c)}
.tl .key{stroke:var(--key,#7a8594);stroke-width:1}
.tl .key-mark{fill:var(--key,#7a8594)}
.tl .received{fill:var(--received,#14806a)}
.tl .generated{fill:var(--generated,#8aa5e8)}
.tl .concealed{fill:var(--concealed,#e0a100)}
.tl .missing{fill:var(--missing,#c62828)}
.tl .playhead{stroke:var(--ink,#111);stroke-width:1.5;visibility:hidden}
"""


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle of a drawing, with frames along it and divergence from -1 to 1 up it."""

    width: int
    height: int
    frames: int

    @property
    def span(self) -> int:
        return self.width - LEFT - RIGHT

    def x(self, frame: float) -> float:
        return LEFT + self.span * frame / max(1, self.frames)

    def y(self, value: float) -> float:
        return TOP + (self.height - TOP) * (1 - max(-1.0, min(1.0, value))) / 2


def divergence_svg(
    curve: Sequence[Sequence[float]],
    threshold: float | None,
    keyframes: Sequence[int],
    fps: float | Fraction,
    *,
    frames: int | None = None,
    provenance: Sequence[tuple[int, int, str]] = (),
    width: int = 960,
    height: int = 190,
    empty: str = "no divergence was scored in this run",
) -> str:
    """The divergence of each scored pair over time, with the threshold and the keyframes that it led to.

    Args:
        curve: ``(frame, divergence)`` pairs in order; empty where none were scored.
        threshold: ``None`` draws no line.
        keyframes: Frame indices. The curve is interrupted at each, as the reference changes there.
        frames: Length of the video; by default up to the last thing drawn.
        provenance: ``(start, stop, kind)`` runs for a strip under the curve; none draws no strip.
        width, height: Of the drawing and of the curve in it, in CSS pixels.
        empty: What stands in place of a curve without points.

    Returns:
        A complete ``<svg>`` element. ``data-frames``, ``data-left`` and ``data-span`` say where a frame lies in it.
    """
    points = [(float(f), float(v)) for f, v in curve if v is not None and math.isfinite(v)]
    last = max([0.0, *(f for f, _ in points), *map(float, keyframes), *(float(stop - 1) for _, stop, _ in provenance)])
    plot = Plot(width, height, frames or int(last) + 1)
    strip = STRIP + 8 if provenance else 0
    total = height + strip + BOTTOM
    title = f"Divergence over {plot.frames} frames with {len(keyframes)} keyframes" if points else "Keyframes over time"
    body = [
        *(value_axis(plot) if points else []),
        *keyframe_marks(plot, keyframes),
        *threshold_line(plot, threshold if points else None),
        *curve_paths(plot, points, keyframes),
        *([] if points or not empty else [f'<text x="{LEFT}" y="{height / 2 + 12:.0f}">{esc(empty)}</text>']),
        *provenance_strip(plot, provenance),
        *time_axis(plot, float(fps), total),
        f'<line class="playhead" y1="{TOP - 6}" y2="{total - BOTTOM + 2}" x1="{LEFT}" x2="{LEFT}"/>',
    ]
    return (
        f'<svg class="tl" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" role="img" '
        f'aria-label="{esc(title)}" data-frames="{plot.frames}" data-left="{LEFT}" data-span="{plot.span}">'
        f"<title>{esc(title)}</title><style>{STYLE}</style>{''.join(body)}</svg>"
    )


def value_axis(plot: Plot) -> Iterable[str]:
    for value, label in ((-1, "−1"), (0, "0"), (1, "1")):
        y = plot.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{plot.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'


def keyframe_marks(plot: Plot, keyframes: Sequence[int]) -> Iterable[str]:
    if not keyframes:
        return
    lines = "".join(f"M{plot.x(k):.1f} {TOP}V{plot.height}" for k in keyframes)
    marks = "".join(f"M{plot.x(k):.1f} {TOP}l-4 -8h8z" for k in keyframes)
    yield f'<path class="key" d="{lines}"/><path class="key-mark" d="{marks}"/>'


def threshold_line(plot: Plot, threshold: float | None) -> Iterable[str]:
    if threshold is None or not math.isfinite(threshold):
        return
    y = plot.y(threshold)
    yield f'<line class="threshold" x1="{LEFT}" x2="{plot.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    yield (
        f'<text class="threshold-text" x="{plot.width - RIGHT}" y="{y - 5:.1f}" text-anchor="end">'
        f"threshold {threshold:g}</text>"
    )


def curve_paths(plot: Plot, points: Sequence[tuple[float, float]], keyframes: Sequence[int]) -> Iterable[str]:
    """The curve, interrupted after each keyframe; the score that led to a keyframe gets a dot."""
    opened = set(keyframes)
    path, pen_down = [], False
    for frame, value in thinned(points, opened):
        path.append(f"{'L' if pen_down else 'M'}{plot.x(frame):.1f} {plot.y(value):.1f}")
        pen_down = int(frame) not in opened
    if path:
        yield f'<path class="curve" d="{"".join(path)}"/>'
    for frame, value in points:
        if int(frame) in opened:
            yield f'<circle class="hit" cx="{plot.x(frame):.1f}" cy="{plot.y(value):.1f}" r="3.2"/>'


def thinned(points: Sequence[tuple[float, float]], keep: set[int]) -> list[tuple[float, float]]:
    """Of each stretch of a long curve its lowest and its highest point, and every point at a keyframe."""
    stretch = math.ceil(2 * len(points) / MAX_POINTS)
    if stretch <= 2:
        return list(points)
    kept: set[int] = set()
    for start in range(0, len(points), stretch):
        piece = range(start, min(start + stretch, len(points)))
        kept |= {min(piece, key=lambda i: points[i][1]), max(piece, key=lambda i: points[i][1])}
        kept |= {i for i in piece if int(points[i][0]) in keep}
    return [points[i] for i in sorted(kept)]


def provenance_strip(plot: Plot, runs: Sequence[tuple[int, int, str]]) -> Iterable[str]:
    y = plot.height + 8
    for start, stop, kind in runs:
        name = kind if kind in PROVENANCE else "missing"
        # A received keyframe is one frame among hundreds: it must stay visible.
        width = max(1.5, plot.x(stop) - plot.x(start))
        yield f'<rect class="{name}" x="{plot.x(start):.2f}" y="{y}" width="{width:.2f}" height="{STRIP}"/>'


def time_axis(plot: Plot, fps: float, total: int) -> Iterable[str]:
    duration_s = plot.frames / fps
    step = nice_step(duration_s / max(2, plot.span / 90))
    y = total - BOTTOM
    for k in range(int(duration_s / step) + 1):
        x = plot.x(k * step * fps)
        anchor = "end" if x > plot.width - 30 else "middle"
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 2}" y2="{y + 7}"/>'
        yield f'<text x="{x:.1f}" y="{y + 20}" text-anchor="{anchor}">{time_label(k * step)}</text>'


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 5 x 10^n seconds, or of whole minutes, that is at least ``least``."""
    if least > 50:
        return next((float(s) for s in (60, 120, 300, 600, 1200, 1800) if s >= least), math.ceil(least / 3600) * 3600.0)
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= least * (1 - 1e-9))


def time_label(second: float) -> str:
    if second < 120 and second == int(second):
        return f"{int(second)} s"
    if second < 120:
        return f"{second:g} s"
    return f"{int(second // 60)}:{int(second % 60):02d}"
