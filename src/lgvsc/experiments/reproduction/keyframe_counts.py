"""LGVSC's Table VI: how many keyframes the relative and the absolute rule make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lgvsc import build
from lgvsc.config import load_config
from lgvsc.errors import InputError
from lgvsc.experiments.keyframe_statistics import PAPERS_RULES, count_keyframes, far_apart, statistics
from lgvsc.experiments.recipe import Recipe
from lgvsc.experiments.reproduction import figures
from lgvsc.experiments.reproduction.clips import Footage
from lgvsc.experiments.reproduction.result import Reproduction, Value


def keyframe_counts(recipe: Recipe, clips: Sequence[Footage], folder: Path) -> Reproduction:
    """Count under both rules of the paper; a clip that cannot be read is left out and named.

    Raises:
        InputError: None can be read.
    """
    made = Reproduction(recipe)
    config = load_config(recipe.preset, "skem-dsa", recipe.settings)
    similarity = build.psss(config)
    counted = []
    for clip in clips:
        try:
            counted.append(count_keyframes(clip.path, config, similarity, PAPERS_RULES))
        except InputError as error:
            made.notes.append(f"left out: {error}")
    if not counted:
        raise InputError("none of the files is a video")
    n = len(counted)
    for row in statistics(counted, PAPERS_RULES):
        for metric in ("mean", "std", "min", "max", "cv"):
            made.values.append(Value(series=row.rule, metric=metric, value=float(getattr(row, metric)), n=n))
    made.values.append(Value(series="both rules", metric="differ", value=far_apart(counted) / n, n=n))
    made.notes += [
        f"{one.clip}: {' and '.join(map(str, one.keyframes))} keyframes, relative and absolute" for one in counted
    ]
    figures.write(made, folder)
    return made
