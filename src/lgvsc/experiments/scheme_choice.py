"""Learn which scheme suits which channel and budget, from a table of ``lgvsc compare``; stores what ``auto`` reads."""

from __future__ import annotations

import hashlib
import logging
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from lgvsc.core.files import atomic_write
from lgvsc.errors import InputError
from lgvsc.experiments.compare_table import Row, read_csv
from lgvsc.schemes import auto
from lgvsc.training.arguments import Trainer

log = logging.getLogger(__name__)

STORED = Path(auto.__file__).with_name(auto.TABLE)

Points = dict[tuple[str, float, float], dict[str, list[Row]]]  # (scheme, SNR, CBR): rows by clip


def learn_scheme_choice(table: Path, path: Path) -> auto.Measurements:
    """Average the table over clips, and write the file that ``auto`` reads: whichever qualities the table has.

    Only transmissions over AWGN that had a budget count. Clips for which one scheme lacks a result are left out for
    all schemes, so that every mean is over the same clips; a scheme that was not tried on the whole grid is left out.

    Args:
        table: CSV of ``lgvsc compare``.
        path: TOML file to write.

    Raises:
        InputError: No scheme has the whole grid of SNRs and CBRs, or no clip has results for all that do.
    """
    points: Points = {}
    counted = [row for row in read_csv(table) if counts(row)]
    goals = [goal for goal in auto.GOALS if any(getattr(row, goal) is not None for row in counted)]
    for row in counted:
        if all(getattr(row, goal) is not None for goal in goals):
            key = row.scheme, row.snr_db, row.cbr_target or 0.0
            points.setdefault(key, {}).setdefault(row.clip, []).append(row)
    names = list(dict.fromkeys(name for name, _, _ in points if name != "auto"))
    snrs_db = sorted({snr_db for _, snr_db, _ in points})
    cbrs = sorted({cbr for _, _, cbr in points})
    partial = [name for name in names if any((name, snr, cbr) not in points for snr in snrs_db for cbr in cbrs)]
    if partial:
        log.warning("left out, as they lack a part of the grid: %s", ", ".join(partial))
    names = [name for name in names if name not in partial]
    grid = [(name, snr_db, cbr) for name in names for snr_db in snrs_db for cbr in cbrs]
    clips = sorted(set.intersection(*(set(points.get(key, {})) for key in grid))) if grid else []
    if not clips:
        raise InputError(f"{table} has no clip with results for every scheme at every SNR and CBR; run the rest first")

    def mean(column: str, key: tuple[str, float, float]) -> float:
        return fmean(getattr(row, column) for clip in clips for row in points[key][clip])

    def rows(column: str, name: str, digits: str) -> str:
        lines = [", ".join(format(mean(column, (name, snr, cbr)), digits) for cbr in cbrs) for snr in snrs_db]
        return f"{column if column != 'cbr' else 'cbr_used'} = [" + ", ".join(f"[{line}]" for line in lines) + "]"

    lines = [
        "# Mean results of each scheme on a grid: a row for each SNR, in it a number for each CBR allowed.",
        "# Made by `lgvsc train auto` from a table of `lgvsc compare`.",
        f'lgvsc = "{version("lgvsc")}"',
        f'table_sha256 = "{hashlib.sha256(table.read_bytes()).hexdigest()}"',
        f"clips = {len(clips)}",
        "clip_names = [" + ", ".join(f'"{clip}"' for clip in clips) + "]",
        "snr_db = [" + ", ".join(f"{snr_db:g}" for snr_db in snrs_db) + "]",
        "cbr = [" + ", ".join(f"{cbr:g}" for cbr in cbrs) + "]",
    ]
    for name in names:
        lines += ["", "[[scheme]]", f'name = "{name}"', rows("cbr", name, ".4g")]
        lines += [rows(goal, name, ".4f" if goal != "psnr_db" else ".2f") for goal in goals]
    text = "\n".join(lines) + "\n"
    with atomic_write(path) as file:
        file.write(text.encode())
    return auto.parse(text)


def counts(row: Row) -> bool:
    """Whether a row is of a transmission under a budget over AWGN that gave results."""
    adaptive = row.mode == "adaptive" and row.channel == "awgn" and row.snr_def == "esn0"
    return adaptive and not row.error and None not in (row.cbr_target, row.cbr)


def store_scheme_choice(
    *,
    table: Annotated[Path, typer.Option(help="CSV of lgvsc compare.")],
    output: Annotated[Path, typer.Option(help="TOML file to write.")] = STORED,
) -> None:
    """Average the table and store what auto reads."""
    learn_scheme_choice(table, output)


main = Trainer("auto", store_scheme_choice, about=__doc__)
