"""A figure or a table of a paper made again: the recipe's clips are cut, what makes its kind works, tables are written.

Each kind lies in :mod:`lgvsc.experiments.reproduction`, and gives back the same: values with n and intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lgvsc.experiments.jobs.workers import HERE, Workers
from lgvsc.experiments.recipe import GRIDS, Recipe
from lgvsc.experiments.reproduction import grid as grids
from lgvsc.experiments.reproduction.clips import OnClip, prepare_clips
from lgvsc.experiments.reproduction.complexity import complexity
from lgvsc.experiments.reproduction.files import write_tables
from lgvsc.experiments.reproduction.grid import OnRow
from lgvsc.experiments.reproduction.keyframe_counts import keyframe_counts
from lgvsc.experiments.reproduction.needs import line_config
from lgvsc.experiments.reproduction.pairs import pairs
from lgvsc.experiments.reproduction.rates import rates
from lgvsc.experiments.reproduction.result import Reproduction
from lgvsc.experiments.reproduction.sketch_loss import sketch_loss

Maker = Callable[..., Reproduction]
MAKERS: dict[str, Maker] = {
    "rates": rates, "pairs": pairs, "keyframe-counts": keyframe_counts, "complexity": complexity
}  # fmt: skip
GRID_MAKERS: dict[str, Maker] = {
    "quality": grids.grid, "fixed-rates": grids.fixed_rates, "combinations": grids.combinations
}  # fmt: skip


def reproduce(
    recipe: Recipe,
    sources: Sequence[Path],
    folder: Path,
    *,
    workers: Workers = HERE,
    on_row: OnRow | None = None,
    on_notes: OnClip = lambda *_: None,
) -> Reproduction:
    """Make what a recipe describes: figure, CSV, Parquet and LaTeX.

    Args:
        sources: Video files, folders of them, or manifests of `lgvsc data`; empty takes the sample clip of the demo.
        folder: Where clips, transmissions and figures go. Transmissions that are in it are not made again.
        workers: Who sends clips.
        on_row: Called with each new transmission, the number done and of all.
        on_notes: Called with each source and what was changed on reading it, or why it is left out.

    Raises:
        ConfigError: A recipe that trains, and no folder of pictures and clips.
        InputError: There is no video, or none that is long enough.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if recipe.kind == "sketch-loss":
        made = sketch_loss(recipe, sources, folder)
    else:
        for line in recipe.lines:  # a setting that is none is said before any work
            line_config(recipe, line, recipe.snr_db[0])
        clips, left_out = prepare_clips(recipe.clips, sources, folder / "clips", on_notes)
        if recipe.kind in GRIDS:
            made = GRID_MAKERS[recipe.kind](recipe, clips, folder, workers=workers, on_row=on_row)
        else:
            made = MAKERS[recipe.kind](recipe, clips, folder)
        made.notes.extend(left_out)
    made.files.extend(write_tables(made, folder))
    return made
