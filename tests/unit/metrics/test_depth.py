"""Depth errors against values worked out by hand, and an estimator of random weights as a folder."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_lookers import tiny_depth_anything

from lgvsc.errors import ShapeError
from lgvsc.metrics.depth import as_levels, depth_errors, load_depth


def test_the_five_figures_are_those_of_their_definitions():
    truth = np.array([[1.0, 2.0], [4.0, 0.0]], np.float32)  # the last one does not count
    ours = np.array([[1.2, 3.0], [2.2, 9.0]], np.float32)  # ratios 1.2, 1.5, 1.818
    found = depth_errors(ours, truth)
    assert found["d1"] == pytest.approx(1 / 3) and found["d2"] == pytest.approx(2 / 3)
    assert found["d3"] == pytest.approx(3 / 3)  # 1.25^3 = 1.953
    assert found["abs_rel"] == pytest.approx((0.2 / 1 + 1 / 2 + 1.8 / 4) / 3, rel=1e-6)
    assert found["rmse"] == pytest.approx(((0.2**2 + 1 + 1.8**2) / 3) ** 0.5, rel=1e-6)
    equal = depth_errors(truth, truth)
    assert equal == {"d1": 1.0, "d2": 1.0, "d3": 1.0, "abs_rel": 0.0, "rmse": 0.0}
    assert depth_errors(np.zeros((2, 2), np.float32), truth)["d3"] == 0.0
    with pytest.raises(ShapeError):
        depth_errors(ours, truth[:1])
    with pytest.raises(ValueError, match="zero everywhere"):
        depth_errors(ours, np.zeros((2, 2), np.float32))


def test_levels_go_from_0_to_255_whatever_the_scale():
    depth = np.array([[3.0, 5.0, 4.0]], np.float32)
    assert as_levels(depth).tolist() == [[0.0, 255.0, 127.5]] == as_levels(depth * 7 - 2).tolist()
    assert as_levels(np.full((2, 2), 3.0, np.float32)).max() == 0.0


def test_a_folder_is_read_and_gives_a_map_of_the_pictures_size(tmp_path):
    estimator = load_depth(tiny_depth_anything(tmp_path))
    picture = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    depth = estimator(picture)
    assert depth.shape == (30, 50) and 0 <= depth.min() < depth.max() <= 255
    assert estimator.how.prepare(picture).shape == (3, 28, 42)  # 50 x 28/30 is 46.7, the nearest multiple of 14 is 42
    assert depth_errors(depth, depth)["d1"] == 1.0
