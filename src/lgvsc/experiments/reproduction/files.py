"""Tables on disk: tidy CSV and Parquet with ours and the paper's values, and LaTeX with booktabs."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from lgvsc.core.files import atomic_write
from lgvsc.experiments.compare_table import parquet, written
from lgvsc.experiments.reproduction.names import NAMES
from lgvsc.experiments.reproduction.result import Reproduction, Table

COLUMNS: dict[str, type] = {
    "recipe": str,
    "series": str,
    "metric": str,
    "snr_db": float,
    "n": int,
    "value": float,
    "half_width_95": float,
    "damaged": int,
    "absent": str,
    "published": float,
    "published_as": str,
    "published_in": str,
}
SPECIAL = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "~": r"\textasciitilde{}", "±": r"$\pm$", "↑": r"$\uparrow$",
           "↓": r"$\downarrow$", "≥": r"$\geq$", "≪": r"$\ll$", ">": r"$>$", "<": r"$<$", "\\": r"\textbackslash{}",
           "{": r"\{", "}": r"\}", "$": r"\$", "^": r"\^{}", "−": "$-$"}  # fmt: skip


def write_tables(made: Reproduction, folder: Path) -> list[Path]:
    """``NAME.csv``, ``NAME.tex``, and ``NAME.parquet`` where pyarrow is installed."""
    stem, rows = folder / made.recipe.name, tidy(made)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: written(value) for name, value in row.items()} for row in rows)
    paths = [stem.with_name(f"{stem.name}.csv"), stem.with_name(f"{stem.name}.tex")]
    for path, content in zip(paths, (text.getvalue(), latex(made)), strict=True):
        with atomic_write(path) as file:
            file.write(content.encode())
    packed = stem.with_name(f"{stem.name}.parquet")
    if parquet(packed, COLUMNS, rows):
        return [*paths, packed]
    made.notes.append("no Parquet: it needs pyarrow; pip install 'lgvsc[bench]'")
    return paths


def tidy(made: Reproduction) -> list[dict[str, Any]]:
    """A row for each value of ours or of the paper's, those of one thing in one row."""
    name = made.recipe.name
    ours = {(v.series, v.metric, v.snr_db): v for v in made.values}
    theirs = {(p.series, p.metric, p.snr_db): p for p in made.published}
    rows = []
    for key in dict.fromkeys([*ours, *theirs]):
        value, printed = ours.get(key), theirs.get(key)
        missing = value is None or value.value is None
        rows.append(
            {
                "recipe": name,
                "series": key[0],
                "metric": key[1],
                "snr_db": key[2],
                "n": value.n if value else 0,
                "value": value.value if value else None,
                "half_width_95": value.half_width if value else None,
                "damaged": value.damaged if value else 0,
                "absent": made.absent.get(key[1], "not measured") if missing else "",
                "published": printed.value if printed else None,
                "published_as": printed.text if printed else "",
                "published_in": printed.where if printed else "",
            }
        )
    return rows


def latex(made: Reproduction) -> str:
    """The tables for a paper; they need the package booktabs."""
    head = f"% {made.recipe.title}\n% {made.recipe.source}\n% Made by: lgvsc reproduce {made.recipe.name}\n"
    notes = "".join(f"% {NAMES[name].label} is absent: {why}\n" for name, why in made.absent.items())
    return head + notes + "\n".join(tabular(table) for table in made.tables)


def tabular(table: Table) -> str:
    """One table."""
    lines = [
        rf"\begin{{tabular}}{{ll{'r' * (len(table.columns) + 1)}}}",
        r"\toprule",
        " & ".join(escaped(cell) for cell in table.header) + r" \\",
        r"\midrule",
        *(" & ".join(escaped(cell) for cell in row) + r" \\" for row in table.cells),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(character, character) for character in text)
