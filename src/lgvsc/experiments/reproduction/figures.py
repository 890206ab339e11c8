"""Figures of a reproduction: curves over SNR, dots beside the paper's numbers, or pictures. SVG, PDF and PNG each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lgvsc.core.video import Pixels
from lgvsc.errors import MissingResourceError
from lgvsc.experiments.compare_plots import LOOKS, WIDTH_IN, raster, save, stacked, styled, with_legend
from lgvsc.experiments.reproduction.names import NAMES
from lgvsc.experiments.reproduction.result import Reproduction, Value, unique

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_WIDTH = 320  # pixels of a picture in a sheet
OURS, PAPERS = "#2166ac", "#c0392b"
ROW_IN = 0.19  # of a dot
PANEL_IN = 2.0
LABEL_WIDTH = 28  # letters beside a panel


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures in rows.

    Attributes:
        rows: What each row is, and its pictures; ``None`` where there is none.
        columns: Above the first row.
        notes: Under the pictures of each row, in a line; none or one for each row.
    """

    rows: Sequence[tuple[str, Sequence[Pixels | None]]]
    columns: Sequence[str] = ()
    notes: Sequence[str] = ()


def write(
    made: Reproduction, folder: Path, series: Sequence[str] = (), sheet: Callable[[], Sheet] | None = None
) -> None:
    """Draw what was found and write it; a machine without matplotlib gets a note instead.

    Args:
        series: Those that curves are drawn of; others stand in the tables alone.
        sheet: Makes pictures, for a recipe that shows some.
    """
    try:
        with styled():
            if sheet is not None and (made.recipe.shown or made.recipe.pairs):
                figure: Figure | None = sheet_figure(sheet())
            else:
                figure = figure_of(made, series)
            if figure is not None:
                made.files.extend(save(figure, folder / made.recipe.name))
    except MissingResourceError as error:
        made.notes.append(f"no figure: {error}")


def figure_of(made: Reproduction, series: Sequence[str]) -> Figure | None:
    """Curves where there are several SNRs, else dots; ``None`` where there is nothing to draw."""
    wanted = [*made.recipe.wanted, made.recipe.instead] if made.recipe.wanted else [v.metric for v in made.values]
    drawn = [m for m in unique(wanted) if any(v.metric == m and v.value is not None for v in made.values)]
    absent = [metric for metric in made.absent if metric in made.recipe.wanted]
    over_snr = [m for m in drawn if len({v.snr_db for v in made.values if v.metric == m} - {None}) > 1]
    if over_snr or (absent and len(made.recipe.snr_db) > 1):
        return curves(made, over_snr, absent, series or unique(v.series for v in made.values))
    return dots(made, drawn) if drawn else None


def curves(made: Reproduction, metrics: Sequence[str], absent: Sequence[str], series: Sequence[str]) -> Figure:
    """A panel for each metric; an empty one that says so for each that is absent."""
    figure, panels = stacked(len(metrics) + len(absent))
    figure.set_size_inches(WIDTH_IN, PANEL_IN * len(panels) + 0.9)
    looks = {name: LOOKS[place % len(LOOKS)] for place, name in enumerate(series)}
    for axes, metric in zip(panels, metrics, strict=False):
        for name, look in looks.items():
            line = [v for v in made.values if (v.series, v.metric) == (name, metric) and v.value is not None]
            draw(axes, line, name, look)
            printed = [p for p in made.published if (p.series, p.metric) == (name, metric) and p.value is not None]
            x, y = [p.snr_db or 0.0 for p in printed], [p.value or 0.0 for p in printed]
            axes.plot(x, y, linestyle="", marker="x", markersize=4, color=look[0])
        if metric.startswith("cbr"):
            axes.set_yscale("log")
        axes.set_ylabel(fill(NAMES[metric].titled, LABEL_WIDTH))
        axes.set_title(f"{made.recipe.title.split(':')[0]}{counted(made.values, metric)}", pad=3)
    for axes, metric in zip(panels[len(metrics) :], absent, strict=True):
        axes.set_title(f"{NAMES[metric].label}: absent, its model is not here", pad=3)
        axes.set_yticks([])
    panels[-1].set_xlabel("SNR (dB), $E_s/N_0$ unless a label says otherwise")
    panels[-1].set_xlim(min(made.recipe.snr_db) - 0.5, max(made.recipe.snr_db) + 0.5)
    if any(p.value is not None and p.metric in metrics for p in made.published):
        panels[0].plot([], [], linestyle="", marker="x", color="#555555", label="paper")
    return with_legend(figure, panels)


def draw(axes: Axes, line: Sequence[Value], name: str, look: Any) -> None:
    """One curve with the 95 % intervals of its means."""
    colour, marker, dashes = look
    if line:
        axes.errorbar(
            [v.snr_db or 0.0 for v in line], [v.value or 0.0 for v in line], [v.half_width or 0.0 for v in line],
            color=colour, marker=marker, linestyle=dashes, label=name, elinewidth=0.4, capsize=1.5, capthick=0.4,
            markerfacecolor="white", markeredgewidth=0.8,
        )  # fmt: skip


def dots(made: Reproduction, metrics: Sequence[str]) -> Figure:
    """A panel for each metric with a row for each series: ours with its interval, the paper's beside it."""
    ours = {(v.series, v.metric): v for v in made.values if v.value is not None}
    theirs = {(p.series, p.metric): p.value for p in made.published if p.value is not None}
    rows = {m: unique(s for s, metric in (*ours, *theirs) if metric == m) for m in metrics}
    height = sum(ROW_IN * len(rows[metric]) + 0.5 for metric in metrics) + 0.4
    figure, columns = raster(len(metrics), 1, (WIDTH_IN, height))
    panels = [axes for (axes,) in columns]
    for axes, metric in zip(panels, metrics, strict=True):
        for place, series in enumerate(rows[metric]):
            if (value := ours.get((series, metric))) is not None:
                axes.errorbar(
                    [value.value or 0.0], [place], xerr=[value.half_width or 0.0], color=OURS, marker="o", capsize=1.5,
                    elinewidth=0.5,
                )  # fmt: skip
            if (printed := theirs.get((series, metric))) is not None:
                axes.plot([printed], [place], color=PAPERS, marker="D", markerfacecolor="white")
        axes.set_yticks(range(len(rows[metric])), rows[metric])
        axes.set_ylim(len(rows[metric]) - 0.5, -0.5)
        axes.set_title(NAMES[metric].titled, pad=3)
    panels[0].plot([], [], color=OURS, marker="o", linestyle="", label="lgvsc")
    if theirs:
        panels[0].plot([], [], color=PAPERS, marker="D", markerfacecolor="white", linestyle="", label="paper")
    return with_legend(figure, panels)


def sheet_figure(sheet: Sheet) -> Figure:
    """Pictures, each row with its name at the side."""
    columns = max((len(pictures) for _, pictures in sheet.rows), default=1)
    shape = next((p.shape for _, pictures in sheet.rows for p in pictures if p is not None), (9, 16, 3))
    width = (2 * WIDTH_IN) / max(columns, 2)
    height = width * shape[0] / shape[1] + 0.3
    figure, panels = raster(len(sheet.rows), columns, (width * columns, height * len(sheet.rows)))
    for place, ((name, pictures), axes) in enumerate(zip(sheet.rows, panels, strict=True)):
        for column, one in enumerate(axes):
            one.set_xticks([])
            one.set_yticks([])
            one.grid(False)
            picture = pictures[column] if column < len(pictures) else None
            if picture is None:
                one.set_axis_off()
            else:
                one.imshow(small(picture))
            if place == 0 and column < len(sheet.columns):
                one.set_title(sheet.columns[column], pad=3)
        axes[0].set_ylabel(name, fontsize=7)
        if place < len(sheet.notes):
            axes[0].set_xlabel(sheet.notes[place], fontsize=7, loc="left")
    return figure


def small(picture: Pixels) -> Pixels:
    """A picture at most as wide as a sheet shows it."""
    height, width = picture.shape[:2]
    if width <= SHOWN_WIDTH:
        return picture
    size = SHOWN_WIDTH, max(1, round(height * SHOWN_WIDTH / width))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def counted(values: Sequence[Value], metric: str) -> str:
    """How many clips and trials stand behind a panel."""
    counts = sorted({v.n for v in values if v.metric == metric and v.value is not None})
    return f", n = {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "") if counts else ""
