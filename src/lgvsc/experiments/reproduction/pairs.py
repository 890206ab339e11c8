"""LGVSC's Figs. 4 to 6: pairs of frames on which PSSS and an embedding disagree, and what the focus changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lgvsc import build
from lgvsc.config import load_config
from lgvsc.core.interfaces import FOCUSES
from lgvsc.core.video import Pixels
from lgvsc.errors import InputError
from lgvsc.experiments.cases import (
    PAPERS_RULE,
    EmbeddingRule,
    Pair,
    disagreements,
    focus_switches,
    matched_rule,
    skem_pairs,
)
from lgvsc.experiments.recipe import Recipe
from lgvsc.experiments.reproduction import figures
from lgvsc.experiments.reproduction.clips import Footage
from lgvsc.experiments.reproduction.needs import CLIP
from lgvsc.experiments.reproduction.result import Reproduction, Value, value_of
from lgvsc.experiments.reproduction.tasks import missing_weights
from lgvsc.models.catalog import find
from lgvsc.models.hub import weights_folder
from lgvsc.semantics.backends.large.image_embedding import embedder
from lgvsc.semantics.embedding import ImageEmbedder

SHOWN = 4


def pairs(recipe: Recipe, clips: Sequence[Footage], folder: Path) -> Reproduction:
    """Score every pair that SKEM compares, and show those that the figure is about.

    Raises:
        InputError: No clip has two samples.
    """
    made = Reproduction(recipe)
    config = load_config(recipe.preset, "skem-dsa", recipe.settings)
    first = build.psss(config)
    own, eta = config.keyframes.focus, config.keyframes.threshold
    by_focus = recipe.pairs == "focus"
    similarities = [first, *(first.with_focus(focus) for focus in FOCUSES if focus != own)] if by_focus else [first]
    chosen = None if by_focus else embedding(made)
    found: list[Pair] = []
    for clip in clips:
        try:
            found += skem_pairs(clip.path, config, similarities, chosen)
        except InputError as error:
            made.notes.append(f"left out: {error}")
    if not found:
        raise InputError("there is no pair to compare: give videos of more than one sample")
    if by_focus:
        shown = focus_switches(found, "main_object", "background", count=SHOWN + 1, per_clip=1)
        made.values += of_focus(found, shown)
    else:
        rule = PAPERS_RULE if chosen is None or chosen.name != "colour-gradient" else matched_rule(found, own, eta)
        both = disagreements(found, own, eta, rule, count=SHOWN, per_clip=1)
        shown = both.type_1 if recipe.pairs == "type-1" else both.type_2
        made.notes.append(in_words(rule, eta))
        for series, count in (
            ("both call them different", both.both),
            ("PSSS alone does", both.psss_only),
            ("the embedding alone does", both.embedding_only),
            ("neither does", both.neither),
        ):
            made.values.append(Value(series=series, metric="pairs", value=float(count), n=len(clips)))
        for pair in shown:
            made.values += [
                Value(series=named(pair), metric="similarity", value=pair.similarity, n=1),
                Value(series=named(pair), metric="s_rel", value=pair.divergence(own), n=1),
            ]
    made.notes.append(f"pairs: {len(found)}, clips: {len(clips)}, pairs shown: {len(shown)}")
    if shown:
        figures.write(made, folder, sheet=lambda: sheet(shown))
    else:
        made.notes.append("no figure: there is no such pair in these clips")
    return made


def embedding(made: Reproduction) -> ImageEmbedder:
    """CLIP where its weights are here, else a description of colours and edges, which is said."""
    if missing := missing_weights(CLIP):
        made.absent["similarity"] = f"of CLIP: {missing}; shown is the cosine of colours and edges"
        return embedder("colour-gradient")
    return embedder(str(weights_folder(find(CLIP))))


def in_words(rule: EmbeddingRule, eta: float) -> str:
    """The two rules that disagree."""
    return (
        f"PSSS makes a keyframe where S_rel is above {eta:g}, the embedding where the cosine is below "
        f"{rule.threshold:.3f}, {rule.words}"
    )


def of_focus(found: Sequence[Pair], shown: Sequence[Pair]) -> list[Value]:
    """S_rel of all pairs under both focuses, and of those that are shown."""
    values = []
    for metric, focus in (("s_rel_main", "main_object"), ("s_rel_background", "background")):
        every = [pair.divergence(focus) for pair in found]  # type: ignore[arg-type]
        values.append(value_of("all pairs", metric, every))
        values += [
            Value(series=named(pair), metric=metric, value=pair.divergence(focus), n=1)  # type: ignore[arg-type]
            for pair in shown
        ]
    return values


def named(pair: Pair) -> str:
    """A pair in words."""
    return f"{pair.clip}, {pair.first} and {pair.second}"


def sheet(shown: Sequence[Pair]) -> figures.Sheet:
    """Both frames of each pair, and its scores."""
    rows = [(f"{pair.clip[:24]}", [picture(data) for data in pair.pictures]) for pair in shown]
    notes = []
    for pair in shown:
        scores = ", ".join(f"{focus.replace('_', ' ')} {score.s_rel:+.3f}" for focus, score in pair.scores.items())
        cosine = "" if pair.similarity is None else f", cosine {pair.similarity:.3f}"
        notes.append(f"frames {pair.first} and {pair.second}: S_rel {scores}{cosine}")
    return figures.Sheet(rows, notes=notes)


def picture(data: bytes) -> Pixels:
    """A JPEG as RGB."""
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert read is not None
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), dtype=np.uint8)
