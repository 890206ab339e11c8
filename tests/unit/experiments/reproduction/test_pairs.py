"""Figs. 4 to 6: which pairs are shown, what is counted, and that CLIP's absence is said."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lgvsc.experiments.cases import Pair, as_jpeg
from lgvsc.experiments.recipe import shipped_recipe
from lgvsc.experiments.reproduction import pairs as work
from lgvsc.experiments.reproduction.clips import Footage
from lgvsc.semantics.psss import Score

PICTURE = as_jpeg(np.full((18, 32, 3), 90, np.uint8))


def score(s_rel, focus):
    yes, no = (1 - s_rel) / 2, (1 + s_rel) / 2
    return Score(yes, no, yes, s_rel, 1.0, ("a", "b"), s_rel, focus, "?", "joint")


def pair(clip, general, similarity, main=0.0, background=0.0):
    by = {"general": general, "main_object": main, "background": background}
    scores = {focus: score(s_rel, focus) for focus, s_rel in by.items()}
    return Pair(clip, 25.0, 0, 7, (PICTURE, PICTURE), scores, similarity)


FOUND = [
    pair("alike", 0.6, 0.99, main=0.5, background=-0.3),
    pair("apart", -0.7, 0.2),
    pair("both", 0.7, 0.1),
    pair("neither", -0.8, 0.98, main=-0.2, background=0.4),
]


@pytest.fixture
def scored(monkeypatch, tmp_path):
    fake = SimpleNamespace(with_focus=lambda focus: focus)
    monkeypatch.setattr(work.build, "psss", lambda config: fake)
    monkeypatch.setattr(work, "skem_pairs", lambda *_: iter(FOUND))
    monkeypatch.setattr(work, "missing_weights", lambda name: "CLIP is away: lgvsc models pull clip-vit-b-32")
    monkeypatch.setattr(work.figures, "write", lambda *_, **__: None)
    return [Footage(tmp_path / "a.mp4")]


@pytest.mark.parametrize(("name", "clip"), [("lgvsc-fig-4", "alike"), ("lgvsc-fig-5", "apart")])
def test_pairs_on_which_the_two_rules_disagree_are_shown_and_all_are_counted(scored, tmp_path, name, clip):
    made = work.pairs(shipped_recipe(name), scored, tmp_path)
    counts = {value.series: value.value for value in made.values if value.metric == "pairs"}
    assert counts == {
        "both call them different": 1, "PSSS alone does": 1, "the embedding alone does": 1, "neither does": 1
    }  # fmt: skip
    (shown,) = [value for value in made.values if value.metric == "s_rel"]
    assert shown.series.startswith(clip) and "models pull clip-vit-b-32" in made.absent["similarity"]


def test_the_pair_that_the_focus_divides_most_comes_first(scored, tmp_path):
    made = work.pairs(shipped_recipe("lgvsc-fig-6"), scored, tmp_path)
    main = [(value.series, value.value) for value in made.values if value.metric == "s_rel_main"]
    assert main[0][0] == "all pairs" and main[0][1] == pytest.approx((0.5 + 0 + 0 - 0.2) / 4)
    assert main[1] == ("alike, 0 and 7", pytest.approx(0.5))


def test_a_sheet_has_both_frames_of_a_pair_and_its_scores():
    sheet = work.sheet(FOUND[:1])
    (name, pictures), (note,) = sheet.rows[0], sheet.notes
    assert name == "alike" and [p.shape for p in pictures] == [(18, 32, 3)] * 2
    assert "main object +0.500" in note and "cosine 0.990" in note
