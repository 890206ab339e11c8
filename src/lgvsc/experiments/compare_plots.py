"""Plots of a comparison for a column of an IEEE page: 3.5 inches wide, 8 points, told apart without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lgvsc.core.files import part_path
from lgvsc.errors import MissingResourceError
from lgvsc.experiments.compare_table import Mean
from lgvsc.metrics.registry import BY_COLUMN

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 3.5
PANEL_HEIGHT_IN = 1.55
FORMATS = ("svg", "pdf", "png")
LABELS = {key: metric.label.replace("dB", "(dB)") for key, metric in BY_COLUMN.items()}
# Lightness falls from the first to the last, and markers and dashes differ, so that grey print is enough.
LOOKS = (
    ("#000000", "o", "-"), ("#c0392b", "s", "--"), ("#2166ac", "^", "-."), ("#4d9221", "D", ":"),
    ("#e08214", "v", (0, (5, 1))), ("#8073ac", "P", (0, (3, 1, 1, 1))), ("#35978f", "X", (0, (1, 1))),
    ("#878787", "*", (0, (6, 2, 1, 2))),
)  # fmt: skip
STYLE: dict[Any, Any] = {
    "font.family": "serif", "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8, "legend.fontsize": 7,
    "xtick.labelsize": 7, "ytick.labelsize": 7, "axes.linewidth": 0.6, "lines.linewidth": 1.0, "lines.markersize": 3.5,
    "grid.linewidth": 0.3, "grid.color": "#cccccc", "axes.grid": True, "axes.axisbelow": True, "svg.fonttype": "none",
    "pdf.fonttype": 42, "svg.hashsalt": "lgvsc", "savefig.dpi": 300, "mathtext.fontset": "dejavuserif",
}  # fmt: skip


def write_plots(
    found: Sequence[Mean], folder: Path, metrics: Sequence[str] = ("ms_ssim", "ssim", "psnr_db", "lpips", "dists")
) -> list[Path]:
    """Quality against SNR with a panel for each budget, and against rate with a panel for each SNR.

    Args:
        found: Means over clips; those without results are left out.
        folder: Where ``quality-METRIC.svg``, ``rate-METRIC.svg`` and their PDF and PNG go.
        metrics: Columns to draw, those that were measured.

    Raises:
        MissingResourceError: matplotlib (extra ``bench``) is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    names = list(dict.fromkeys(mean.point.name for mean in found))
    looks = {name: LOOKS[i % len(LOOKS)] for i, name in enumerate(names)}
    with styled():
        for metric in metrics:
            good = [mean for mean in found if mean.values[metric] is not None]
            budgets = sorted({m.point.cbr_target for m in good if m.point.cbr_target is not None})
            if not good:
                continue
            if budgets:
                figure = quality_figure(good, metric, budgets, looks)
                paths += save(figure, folder / f"quality-{metric.replace('_', '-')}")
            figure = rate_figure(good, metric, sorted({m.point.snr_db for m in good}), looks)
            paths += save(figure, folder / f"rate-{metric.replace('_', '-')}")
    return paths


def quality_figure(found: Sequence[Mean], metric: str, budgets: Sequence[float], looks: dict[str, Any]) -> Figure:
    """Quality against SNR, one panel for each budget."""
    figure, panels = stacked(len(budgets))
    for axes, budget in zip(panels, budgets, strict=True):
        for name, look in looks.items():
            line = sorted((m for m in found if m.point.name == name and m.point.cbr_target == budget), key=snr_of)
            draw(axes, [m.point.snr_db for m in line], line, metric, name, look)
        axes.set_title(f"CBR at most {scientific(budget)}{counted(found)}", pad=3)
        axes.set_ylabel(LABELS[metric])
    panels[-1].set_xlabel("$E_s/N_0$ (dB)")
    return with_legend(figure, panels)


def rate_figure(found: Sequence[Mean], metric: str, snrs_db: Sequence[float], looks: dict[str, Any]) -> Figure:
    """Quality against the CBR really used, one panel for each SNR."""
    figure, panels = stacked(len(snrs_db))
    for axes, snr_db in zip(panels, snrs_db, strict=True):
        for name, look in looks.items():
            line = sorted((m for m in found if m.point.name == name and m.point.snr_db == snr_db), key=cbr_of)
            draw(axes, [cbr_of(m) for m in line], line, metric, name, look)
        axes.set_xscale("log")
        axes.set_title(f"{snr_db:g} dB{counted(found)}", pad=3)
        axes.set_ylabel(LABELS[metric])
    panels[-1].set_xlabel("channel bandwidth ratio (CBR)")
    return with_legend(figure, panels)


def draw(axes: Axes, x: Sequence[float], line: Sequence[Mean], metric: str, name: str, look: Any) -> None:
    """One curve with the 95 % intervals of its means."""
    colour, marker, dashes = look
    y = [mean.values[metric] or 0.0 for mean in line]
    bars = [mean.half_widths[metric] or 0.0 for mean in line]
    if line:
        axes.errorbar(
            x, y, bars, color=colour, marker=marker, linestyle=dashes, label=name, elinewidth=0.4, capsize=1.5,
            capthick=0.4, markerfacecolor="white", markeredgewidth=0.8,
        )  # fmt: skip


def stacked(count: int) -> tuple[Figure, list[Axes]]:
    """A column of panels over one x axis."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        count, 1, figsize=(WIDTH_IN, PANEL_HEIGHT_IN * count + 0.8), sharex=True, squeeze=False, layout="constrained"
    )
    return figure, list(axes[:, 0])


def raster(rows: int, columns: int, size_in: tuple[float, float]) -> tuple[Figure, list[list[Axes]]]:
    """Panels in rows and columns, each with axes of its own."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=size_in, squeeze=False, layout="constrained")
    return figure, [list(row) for row in axes]


def with_legend(figure: Figure, panels: Sequence[Axes]) -> Figure:
    """The figure with one legend for all panels, above them."""
    known: dict[str, Artist] = {}
    for axes in panels:
        handles, names = axes.get_legend_handles_labels()
        known |= dict(zip(names, handles, strict=True))
    columns = 2 if max(map(len, known), default=0) > 12 else 3
    figure.legend(
        list(known.values()), list(known), loc="outside upper center", ncols=columns, frameon=False, handlelength=2.6
    )
    return figure


def save(figure: Figure, stem: Path) -> list[Path]:
    """The figure as SVG, PDF and PNG. Each file appears when it is whole."""
    import matplotlib.pyplot as plt

    paths = []
    for format in FORMATS:
        path = stem.with_name(f"{stem.name}.{format}")
        part = part_path(path)
        try:
            undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format)
            figure.savefig(part, format=format, metadata=undated)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        paths.append(path)
    plt.close(figure)
    return paths


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib with our style, drawing to files."""
    try:
        import matplotlib as mpl
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingResourceError("plots need matplotlib: pip install 'lgvsc[bench]'") from error
    plt.switch_backend("agg")
    with mpl.rc_context(STYLE):
        yield


def snr_of(mean: Mean) -> float:
    """SNR in dB of a point."""
    return mean.point.snr_db


def cbr_of(mean: Mean) -> float:
    """Mean CBR of a point."""
    return mean.values["cbr"] or 0.0


def counted(found: Sequence[Mean]) -> str:
    """How many transmissions stand behind some points, for a caption."""
    counts = sorted({mean.n for mean in found})
    return f", n = {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "")


def scientific(value: float) -> str:
    """A number with a power of ten, as TeX."""
    digits, exponent = f"{value:.1e}".split("e")
    return f"${digits.removesuffix('.0')} \\times 10^{{{int(exponent)}}}$"
