"""Figures that are no curves: dots beside the paper's numbers, and sheets of pictures."""

from __future__ import annotations

import numpy as np
import pytest

from lgvsc.experiments.recipe import shipped_recipe
from lgvsc.experiments.reproduction import figures
from lgvsc.experiments.reproduction.result import Reproduction, Value

pytest.importorskip("matplotlib")


def test_a_table_is_drawn_as_dots_with_the_papers_beside_ours(tmp_path):
    values = [Value(series="P(No) > 0.4", metric=metric, value=3.0, half_width=0.5, n=4) for metric in ("mean", "cv")]
    made = Reproduction(shipped_recipe("lgvsc-table-6"), values)
    figures.write(made, tmp_path)
    svg = (tmp_path / "lgvsc-table-6.svg").read_text()
    assert "P(No) - P(Yes)" in svg and "paper" in svg and "CV" in svg and len(made.files) == 3


def test_pictures_stand_in_rows_and_a_missing_one_leaves_its_place(tmp_path):
    picture = np.full((36, 640, 3), 80, np.uint8)
    sheet = figures.Sheet([("source", [picture, picture]), ("DVST", [picture, None])], ["frame 0", "last frame"])
    made = Reproduction(shipped_recipe("lgvsc-fig-1"))
    figures.write(made, tmp_path, sheet=lambda: sheet)
    svg = (tmp_path / "lgvsc-fig-1.svg").read_text()
    assert all(words in svg for words in ("source", "DVST", "frame 0", "last frame")) and svg.count("<image") == 3
    assert figures.small(picture).shape == (18, 320, 3)


def test_without_anything_to_draw_there_is_no_figure(tmp_path):
    made = Reproduction(shipped_recipe("lgvsc-table-6"))
    figures.write(made, tmp_path)
    assert made.files == [] and list(tmp_path.iterdir()) == []
