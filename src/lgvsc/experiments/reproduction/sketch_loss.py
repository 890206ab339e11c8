"""GVSC's Fig. 7: the sketch code trained once for each weight k of its loss, and what arrives of sketches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lgvsc.errors import ConfigError
from lgvsc.experiments.recipe import Recipe
from lgvsc.experiments.reproduction import figures
from lgvsc.experiments.reproduction.result import Reproduction, Value

DISTANCE = "lpips"  # of Eq. (1)
MEASURED = ("lpips", "ms_ssim", "psnr_db", "contour_f")


def sketch_loss(recipe: Recipe, sources: Sequence[Path], folder: Path) -> Reproduction:
    """Train briefly and alike for each k, and compare what arrives.

    Trainings that are in the folder whole are not made again.

    Raises:
        ConfigError: There is no folder to train on.
    """
    if len(sources) != 1 or not sources[0].is_dir():
        raise ConfigError(f"{recipe.name} trains, so it needs one folder of pictures and clips: --clips FOLDER")
    made = Reproduction(recipe)
    rows = losses(recipe, sources[0], folder / "losses")
    for row in sorted(rows, key=lambda row: (row["k"], row["snr_db"])):
        made.values += [
            Value(series=f"k = {row['k']:g}", metric=metric, snr_db=row["snr_db"], value=row[metric], n=row.get("n", 0))
            for metric in MEASURED
        ]
    made.absent["clip_score"] = "it is of videos made of sketches by a large model; here sketches are compared"
    made.notes.append(
        f"sketches never trained on, after {recipe.steps} steps for each k with {DISTANCE.upper()} as the distance"
    )
    figures.write(made, folder)
    return made


def losses(recipe: Recipe, data: Path, folder: Path) -> list[dict[str, Any]]:
    """A row for each k and SNR."""
    from lgvsc.training.codes import deepjscc

    table = folder / "ablation.json"
    rows: list[dict[str, Any]] = json.loads(table.read_text(encoding="utf-8")) if table.is_file() else []
    wanted = {(k, snr_db) for k in deepjscc.ABLATED_K for snr_db in recipe.snr_db}
    if not wanted <= {(row["k"], row["snr_db"]) for row in rows if as_asked(row, recipe)}:
        measured = tuple((deepjscc.SKETCH.sent[0], snr_db) for snr_db in recipe.snr_db)
        config = replace(
            deepjscc.SKETCH, steps=recipe.steps, seed=recipe.seed, measured=measured, distance=DISTANCE
        )  # fmt: skip
        folder.mkdir(exist_ok=True)
        found = deepjscc.material(data, config, deepjscc.extractor(None), folder / "sketches.npz")
        rows = deepjscc.ablate(config, "sketch", found.pool, folder, found.held_back)
    return [row for row in rows if row["snr_db"] in recipe.snr_db]


def as_asked(row: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether a row of an earlier run is of the same training."""
    return bool(row["steps"] == recipe.steps and row.get("distance") == DISTANCE and row.keys() >= set(MEASURED))
