"""Learn where GVSC's ladder switches, from transmissions of its recipe; stores what ``gvsc-adaptive`` goes by."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from lgvsc.core.files import atomic_write
from lgvsc.errors import InputError
from lgvsc.experiments.compare_table import Row, half_width_95, read_csv
from lgvsc.schemes import ladder
from lgvsc.schemes.ladder import RUNGS
from lgvsc.training.arguments import Trainer

STORED = Path(ladder.__file__).with_name(ladder.TABLE)
WORTH = 0.01  # of SSIM that a doubling of the symbols must bring

Points = Mapping[tuple[str, float], Mapping[str, Row]]  # by scheme and SNR: rows by clip


def learn_ladder(table: Path, worth: float = WORTH) -> str:
    """Switch points as TOML.

    From the cheapest scheme upwards, one is preferred at an SNR where its SSIM exceeds that of what is preferred so
    far with 95 % certainty over clips (Student's t of paired differences), and on average by ``worth`` for each
    doubling of the symbols. What is preferred at an SNR holds up to the next one measured, and the first one below all.

    Args:
        table: ``transmissions.csv`` of ``lgvsc reproduce gvsc-grid``, or any table of ``lgvsc compare``.

    Raises:
        InputError: The table lacks words alone, or has fewer than two clips with results for all schemes.
    """
    points: dict[tuple[str, float], dict[str, Row]] = {}
    for row in read_csv(table):
        good = not row.error and row.ssim is not None and row.cbr is not None
        if good and row.scheme in RUNGS and row.channel == "awgn" and row.mode == "free" and row.trial == 0:
            points.setdefault((row.scheme, row.snr_db), {})[row.clip] = row
    snrs_db = sorted({snr_db for _, snr_db in points})
    names = [name for name in RUNGS if snrs_db and all((name, snr_db) in points for snr_db in snrs_db)]
    clips = sorted(set.intersection(*(set(points[name, snr]) for name in names for snr in snrs_db))) if names else []
    if RUNGS[0] not in names or len(names) < 2 or len(clips) < 2:
        raise InputError(f"{table} has no two clips with results for text-only and a scheme of GVSC at every SNR")
    taken = [preferred(points, names, snr_db, clips, worth) for snr_db in snrs_db]
    steps = [("always", taken[0])]
    for before, after, snr_db in zip(taken, taken[1:], snrs_db[1:], strict=False):
        steps += [(f"{snr_db:g}", after)] if after != before else []
    lines = [
        "# From which Es/N0 on gvsc-adaptive takes which scheme, and the means behind it, a number for each SNR.",
        "# Made by `lgvsc train ladder` from the transmissions of `lgvsc reproduce gvsc-grid`.",
        f'lgvsc = "{version("lgvsc")}"',
        f'table_sha256 = "{hashlib.sha256(table.read_bytes()).hexdigest()}"',
        f"worth = {worth:g}  # SSIM for each doubling of the symbols",
        f"clips = {len(clips)}",
        "clip_names = [" + ", ".join(f'"{clip}"' for clip in clips) + "]",
        "snr_db = [" + ", ".join(f"{snr_db:g}" for snr_db in snrs_db) + "]",
    ]
    for from_db, scheme in steps:
        shown = f'"{from_db}"' if from_db == "always" else from_db
        lines += ["", "[[step]]", f"from_db = {shown}", f'scheme = "{scheme}"']
    for name in names:
        lines += ["", "[[rung]]", f'scheme = "{name}"']
        for column, digits in (("cbr", ".4g"), ("ssim", ".4f")):
            means = (fmean(getattr(points[name, snr][clip], column) for clip in clips) for snr in snrs_db)
            lines.append(f"{column} = [" + ", ".join(format(mean, digits) for mean in means) + "]")
    return "\n".join(lines) + "\n"


def preferred(points: Points, names: Sequence[str], snr_db: float, clips: Sequence[str], worth: float) -> str:
    """The scheme that is taken at a measured SNR."""
    rows = {name: points[name, snr_db] for name in names}
    cost = {name: fmean(rows[name][clip].cbr or 0.0 for clip in clips) for name in names}
    best, *dearer = sorted(names, key=lambda name: cost[name])
    for name in dearer:
        gains = [(rows[name][clip].ssim or 0.0) - (rows[best][clip].ssim or 0.0) for clip in clips]
        if fmean(gains) > (half_width_95(gains) or 0.0) and fmean(gains) >= worth * math.log2(cost[name] / cost[best]):
            best = name
    return best


def store_ladder(
    *,
    table: Annotated[Path, typer.Option(help="transmissions.csv of lgvsc reproduce gvsc-grid.")],
    worth: Annotated[float, typer.Option(help="SSIM that a doubling of the symbols must bring.")] = WORTH,
    output: Annotated[Path, typer.Option(help="TOML file to write.")] = STORED,
    only_print: Annotated[bool, typer.Option("--print", help="Print it and store nothing.")] = False,
) -> None:
    """Learn the switch points, print and store them."""
    text = learn_ladder(table, worth)
    if not only_print:
        with atomic_write(output) as file:
            file.write(text.encode())
    sys.stdout.write(text)


main = Trainer("ladder", store_ladder, about=__doc__)
