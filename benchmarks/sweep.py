"""What sharing a sweep out costs: ``python benchmarks/sweep.py`` (ten minutes on a quiet machine).

A thousand cells over short clips (4 frames of 64 x 48, H.264 with LDPC codes, PSNR only) in this process, in two
processes, and on two of Ray's actors. Two kinds of work:

- cells that do nothing, so that what is left is the engine's: packing cells, handing them out, packing rows;
- the cells themselves, which are transmitted, for the speed of two workers against one.

All engines do a part of the cells in turn, then the next part, so that what else the machine does meets them alike;
the gain is one worker's time over theirs in the same round. Beginning is told apart: processes and actors start, and
import what the work needs. The last line is what one writing of the whole table takes, which happens after each row.
Without Ray its line says so.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

import numpy as np
import torch

from lgvsc.core.video import Video, write_video
from lgvsc.errors import MissingResourceError
from lgvsc.experiments.compare import Cell, plan, runner
from lgvsc.experiments.compare_table import Row, write_csv
from lgvsc.experiments.jobs.workers import Workers, do_all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--real", type=int, help="of them are transmitted; all unless said", metavar="N")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        cells = grid(Path(folder), arguments.cells)
        real = cells[: arguments.real]
        engines = {
            "this process": Workers(),
            f"{arguments.workers} processes": Workers(count=arguments.workers),
            f"{arguments.workers} actors of Ray": Workers(engine="ray", count=arguments.workers),
        }
        print(
            f"{len(cells)} cells that do nothing, {len(real)} that send 4 frames of 64x48, in {arguments.rounds} "
            f"rounds; {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}\n",
            flush=True,
        )
        spent = {name: list[Spent]() for name in engines}
        for part in range(arguments.rounds):
            for name, workers in list(engines.items()):
                try:
                    spent[name].append(timed(cells, real[part :: arguments.rounds], workers))
                except MissingResourceError as error:
                    print(f"{name}: {error}")
                    del engines[name], spent[name]
        show(spent)
        table = Path(folder) / "table.csv"
        rows = [cell.empty() for cell in cells]
        started = time.perf_counter()
        write_csv(table, rows)
        print(f"\nwriting the table of {len(rows)} rows: {1000 * (time.perf_counter() - started):.1f} ms")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one engine in one round: to begin, for a cell that does nothing, for one that is transmitted."""

    begins: float
    idle: float
    real: float


def timed(cells: list[Cell], real: list[Cell], workers: Workers) -> Spent:
    """One engine, one round."""
    begins, idle = seconds(nothing, cells, workers)
    return Spent(begins, idle, seconds(runner, real, workers)[1])


def show(spent: dict[str, list[Spent]]) -> None:
    """A line for each engine: medians over rounds, and the gain over one worker in the same round."""
    print(f"{'who':<20}{'begins, s':>11}{'ms a cell, idle':>17}{'s a cell':>11}{'gain':>7}{'of all rounds':>20}")
    (_, alone), *_ = spent.items()
    for name, rounds in spent.items():
        begins, idle, real = (median(getattr(one, part) for one in rounds) for part in ("begins", "idle", "real"))
        gains = sorted(one.real / other.real for one, other in zip(alone, rounds, strict=True))
        told = f"{begins:>11.1f}{1000 * idle:>17.2f}{real:>11.3f}{median(gains):>7.2f}"
        print(f"{name:<20}{told}{', '.join(f'{gain:.2f}' for gain in gains):>20}")


def grid(folder: Path, count: int) -> list[Cell]:
    """Cells of ten clips."""
    clips = []
    for number in range(10):
        pictures = np.full((4, 48, 64, 3), 60, np.uint8)
        pictures[:, 10:30, 5 * number : 5 * number + 20] = 200
        clips.append(folder / f"clip-{number}.mp4")
        write_video(clips[-1], Video(pictures, Fraction(25)))
    snrs_db = [float(snr) for snr in np.linspace(5.0, 15.0, -(-count // len(clips)))]
    cells = plan(clips, ["h264-ldpc"], snrs_db, [0.05], settings={"link.metrics": "psnr"})
    return cells[:: len(cells) // count][:count]  # a few of them have all clips and all SNRs too


def nothing() -> Callable[[Cell], Row]:
    """Work that is none."""
    return Cell.empty


def seconds(make: Callable[[], Callable[[Cell], Row]], cells: list[Cell], workers: Workers) -> tuple[float, float]:
    """Seconds to the first row, and seconds a cell from there on."""
    started = time.perf_counter()
    rows: Iterator[tuple[int, object]] = do_all(make, cells, workers)
    next(rows)
    first = time.perf_counter()
    for _ in rows:
        last = time.perf_counter()  # closing the workers is not the cells'
    return first - started, (last - first) / (len(cells) - 1)


if __name__ == "__main__":
    main()
