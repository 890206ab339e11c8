"""The page of a reproduction: published values beside ours, the figure, what differs, what is absent. One file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from lgvsc.core.files import atomic_write
from lgvsc.ui.report import whole_page
from lgvsc.ui.text import esc

STYLE = """
.scrolled{overflow-x:auto}
.repro td,.repro th{padding:4px 10px 4px 0;white-space:nowrap;text-align:right}
.repro td:first-child,.repro th:first-child,.repro td:nth-child(2),.repro th:nth-child(2){text-align:left}
.repro td:first-child{white-space:normal;min-width:7.5rem}
.repro tr.paper td{color:var(--muted)}
.repro tr.paper td:nth-child(2){font-style:italic}
figure.drawn{margin:0;text-align:center}
figure.drawn img{width:100%;max-width:720px;height:auto;background:#fff;border-radius:6px;padding:6px}
.plain li{margin:.3em 0;overflow-wrap:anywhere}
"""
MARKS = {"±": "±: half of the 95 % interval of the mean", "*": "*: something was lost on the way"}


class ShownRow(Protocol):
    """A row as far as the page shows it."""

    @property
    def ours(self) -> bool: ...


class ShownTable(Protocol):
    """A table as far as the page shows it."""

    @property
    def title(self) -> str: ...
    @property
    def header(self) -> list[str]: ...
    @property
    def cells(self) -> list[list[str]]: ...
    @property
    def rows(self) -> Sequence[ShownRow]: ...


def write_reproduction(
    path: Path,
    *,
    title: str,
    source: str,
    differs: str,
    command: str,
    tables: Sequence[ShownTable],
    figure: Path | None,
    absent: Mapping[str, str],
    said: Sequence[str],
    notes: Sequence[str],
    places: Sequence[str],
) -> None:
    """Write the page.

    Args:
        title, source: What is shown, and where the paper shows it.
        differs: One sentence on what is not as in the paper.
        command: What made it.
        figure: A PNG of it; ``None`` where there is none.
        absent: Reason by metric, with the command that brings it.
        said: What the paper's text says beside its numbers.
        places: Where the paper's numbers stand.
    """
    parts = [
        f"<section class='card'><p>{esc(differs)}</p><p class='note'>Made by <code>{esc(command)}</code></p></section>"
        if differs
        else f"<section class='card'><p class='note'>Made by <code>{esc(command)}</code></p></section>",
    ]
    if figure is not None:
        data = base64.b64encode(figure.read_bytes()).decode("ascii")
        words = esc(title)
        parts.append(
            f"<section class='card'><figure class='drawn'><img alt='{words}' src='data:image/png;base64,{data}'>"
            "</figure></section>"
        )
    parts += [drawn(table) for table in tables]
    parts.append(listed("What is absent here", [f"{metric}: {why}" for metric, why in absent.items()]))
    parts.append(listed("What the paper's text says", [*said, *(f"Its numbers: {place}" for place in places)]))
    parts.append(listed("Notes", list(notes)))
    header = (
        f"<header><p class='kicker'>lgvsc reproduce</p><h1>{esc(title)}</h1><p class='lead'>{esc(source)}</p></header>"
    )
    page = whole_page(f"{title} · lgvsc", [header, *parts], style=STYLE)
    with atomic_write(path) as file:
        file.write(page.encode())


def drawn(table: ShownTable) -> str:
    """A table, wide ones in a frame of their own that scrolls."""
    heads = "".join(f"<th scope='col'>{esc(cell)}</th>" for cell in table.header)
    rows = "".join(
        f"<tr class='{'ours' if row.ours else 'paper'}'>" + "".join(f"<td>{esc(cell)}</td>" for cell in cells) + "</tr>"
        for row, cells in zip(table.rows, table.cells, strict=True)
    )
    heading = f"<h2>{esc(table.title)}</h2>" if table.title else ""
    told = marks_in([table])
    below = f"<p class='note'>{esc(told)}.</p>" if told else ""
    return (
        f"<section class='card'>{heading}<div class='scrolled' tabindex='0' role='region' aria-label='table'>"
        f"<table class='repro'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{below}</section>"
    )


def marks_in(tables: Sequence[ShownTable]) -> str:
    """What the marks in some tables mean; nothing where there are none."""
    shown = "".join(cell for table in tables for cells in table.cells for cell in cells)
    return "; ".join(words for mark, words in MARKS.items() if mark in shown)


def listed(heading: str, sentences: Sequence[str]) -> str:
    """Sentences under a heading; nothing where there are none."""
    items = "".join(f"<li>{esc(words)}</li>" for words in sentences)
    return f"<section class='card'><h2>{esc(heading)}</h2><ul class='plain'>{items}</ul></section>" if items else ""
