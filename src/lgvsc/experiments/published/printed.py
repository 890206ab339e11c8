"""What the papers print: their tables, and what their text says of their figures, each with its place in the paper."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

PAPERS = ("lgvsc", "gvsc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One number of a paper.

    Attributes:
        recipe: What reproduces it.
        series, metric, snr_db: As values of a reproduction are named; no SNR: it holds for none.
        value: ``None`` where the paper prints no number, but a bound or a failure.
        text: As the paper prints it.
        where: Paper, table or figure, and section.
    """

    recipe: str
    series: str
    metric: str
    snr_db: float | None
    value: float | None
    text: str
    where: str


@cache
def published(recipe: str) -> tuple[Published, ...]:
    """All numbers that a paper prints for what a recipe reproduces."""
    return tuple(one for paper in PAPERS for one in _numbers(_stored(paper)) if one.recipe == recipe)


def sentences(recipe: str) -> list[str]:
    """What a paper's text says instead, a sentence each, or that it says nothing."""
    return [one["words"] for paper in PAPERS for one in _stored(paper).get("said", ()) if one["recipe"] == recipe]


def recipes_published() -> set[str]:
    """Every recipe that the stored values speak of."""
    stored = [_stored(paper) for paper in PAPERS]
    return {one["recipe"] for paper in stored for key in ("set", "said") for one in paper.get(key, ())}


@cache
def _stored(paper: str) -> dict[str, Any]:
    text = resources.files("lgvsc.experiments.published").joinpath(f"{paper}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _numbers(stored: dict[str, Any]) -> Iterator[Published]:
    for table in stored["set"]:
        by_snr = isinstance(table.get("snr_db"), list)
        columns = table["snr_db"] if by_snr else table["metrics"]
        for series, cells in table["rows"].items():
            for column, cell in zip(columns, cells, strict=True):
                snr = column if by_snr else table.get("snr_db")
                is_number = not isinstance(cell, str)
                yield Published(
                    recipe=table["recipe"],
                    series=series,
                    metric=table["metric"] if by_snr else column,
                    snr_db=None if snr is None else float(snr),
                    value=float(cell) if is_number else None,
                    text=f"{cell:g}" if is_number else cell,
                    where=f"{stored['paper']}, {table['where']}",
                )
