"""What comes of a recipe: values with n and intervals, joined with what the papers print, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from lgvsc.experiments.compare_table import Row, half_width_95
from lgvsc.experiments.published.printed import Published, published, sentences
from lgvsc.experiments.recipe import Recipe
from lgvsc.experiments.reproduction.names import NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One number of ours.

    Attributes:
        series, metric: Of which curve or row, and what.
        snr_db: Of the channel; ``None`` where there is none.
        value, half_width: Mean, and half of its 95 % interval (Student's t); ``None`` where there is none.
        n: How many clips, or clips and trials, stand behind it.
        damaged: How many of them lost something on the way.
    """

    series: str
    metric: str
    snr_db: float | None = None
    value: float | None = None
    half_width: float | None = None
    n: int = 0
    damaged: int = 0

    @property
    def shown(self) -> str:
        """With half of the interval; a star where something was lost on the way."""
        name = NAMES[self.metric]
        if self.value is None:
            return "-"
        half = "" if self.half_width is None else f"±{format(self.half_width, name.digits.replace('+', ''))}"
        return name.shown(self.value) + half + ("*" if self.damaged else "")


def value_of(series: str, metric: str, found: Sequence[float], snr_db: float | None = None, damaged: int = 0) -> Value:
    """The mean of some measurements."""
    mean = fmean(found) if found else None
    return Value(
        series=series, metric=metric, snr_db=snr_db, value=mean, half_width=half_width_95(found), n=len(found),
        damaged=damaged,
    )  # fmt: skip


@dataclass(slots=True)
class Reproduction:
    """What came of a recipe.

    Attributes:
        recipe: As it was followed.
        values: In the order of series.
        notes: What must be known with them, a sentence each.
        absent: What the paper has and nothing here could measure: reason by metric, with the command that brings it.
        files: What was written.
        failed: Transmissions without results.
    """

    recipe: Recipe
    values: list[Value] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)

    @property
    def published(self) -> tuple[Published, ...]:
        return published(self.recipe.name)

    @property
    def said(self) -> list[str]:
        """What the paper's text says beside its numbers, or instead."""
        return sentences(self.recipe.name)

    @property
    def tables(self) -> list[Table]:
        """Ours and the paper's side by side."""
        return tables(self.values, self.published, self.recipe.wanted)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of ours or of the paper's; ``n`` in words."""

    series: str
    ours: bool
    n: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table for people: of one metric over SNR, or of several metrics.

    Attributes:
        title: The metric, or nothing.
        columns: Above the cells.
        metrics: Of each column.
    """

    title: str
    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[TableRow, ...]

    @property
    def header(self) -> list[str]:
        return [self.title or "series", "of", "n", *self.columns]

    @property
    def cells(self) -> list[list[str]]:
        """All rows as text, as wide as the header."""
        return [[row.series, "lgvsc" if row.ours else "paper", row.n, *row.cells] for row in self.rows]


Key = tuple[str, str, float | None]


def tables(values: Sequence[Value], printed: Sequence[Published], wanted: Sequence[str] = ()) -> list[Table]:
    """A table for each metric where there are several SNRs, else one with a column for each metric.

    Args:
        wanted: The order of metrics; others come behind them. One that nobody has a value of has no table.
    """
    ours = {(v.series, v.metric, v.snr_db): v for v in values}
    theirs = {(p.series, p.metric, p.snr_db): p for p in printed}
    found = {key for key, value in ours.items() if value.value is not None}
    present = unique(key[1] for key in (*ours, *theirs) if key in found or key in theirs)
    metrics = [m for m in unique([*wanted, *present]) if m in present]
    snrs = sorted({snr for _, _, snr in (*ours, *theirs) if snr is not None})
    if len(snrs) > 1:
        alone = [m for m in metrics if any(k[1] == m and k[2] is None for k in (*ours, *theirs))]
        over = [[(m, snr) for snr in snrs] for m in metrics if m not in alone]
        return [one_table(NAMES[c[0][0]].titled, c, ours, theirs) for c in over] + (
            [one_table("", [(m, None) for m in alone], ours, theirs)] if alone else []
        )
    snr = snrs[0] if snrs else None
    at = [(m, snr if any(k[1] == m and k[2] == snr for k in (*ours, *theirs)) else None) for m in metrics]
    return [one_table("", at, ours, theirs)] if at else []


def one_table(
    title: str,
    columns: Sequence[tuple[str, float | None]],
    ours: Mapping[Key, Value],
    theirs: Mapping[Key, Published],
) -> Table:
    """A row for each series, and under it the paper's where it has one."""
    rows = []
    for series in unique(key[0] for key in (*ours, *theirs)):
        mine = [ours.get((series, metric, snr)) for metric, snr in columns]
        printed = [theirs.get((series, metric, snr)) for metric, snr in columns]
        if any(mine):
            counts = sorted({value.n for value in mine if value is not None and value.value is not None and value.n})
            n = "-" if not counts else f"{counts[0]}" + (f"-{counts[-1]}" if len(counts) > 1 else "")
            rows.append(TableRow(series, True, n, tuple("-" if v is None else v.shown for v in mine)))
        if any(printed):
            cells = tuple(
                "-" if p is None else p.text if p.value is None else NAMES[p.metric].shown(p.value) for p in printed
            )
            rows.append(TableRow(series, False, "-", cells))
    heads = tuple(f"{snr:g} dB" for _, snr in columns) if title else tuple(NAMES[m].titled for m, _ in columns)
    return Table(title, heads, tuple(metric for metric, _ in columns), tuple(rows))


def unique(items: Iterable[str]) -> list[str]:
    """Each once, in the order in which they first come."""
    return list(dict.fromkeys(items))
