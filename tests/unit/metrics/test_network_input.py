"""How checkpoints say what they want to see."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lgvsc.errors import InputError
from lgvsc.metrics.network_input import NetworkInput


def test_levels_are_scaled_and_shifted_as_the_checkpoint_says(tmp_path):
    halves = [0.5, 0.5, 0.5]
    told = {"rescale_factor": 2 / 255, "offset": True, "image_mean": halves, "image_std": halves}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    how = NetworkInput.read(tmp_path, side=8, square=True)
    white = how.prepare(np.full((16, 20, 3), 255, np.uint8))
    assert white.shape == (3, 8, 8) and float(white.mean()) == pytest.approx(1.0, abs=1e-5)  # ((2 - 1) - 0.5) / 0.5
    assert float(how.prepare(np.zeros((8, 8, 3), np.uint8)).mean()) == pytest.approx(-3.0, abs=1e-5)


def test_what_is_not_said_is_imagenets(tmp_path):
    how = NetworkInput.read(tmp_path, side=16, square=False)
    assert (how.side, how.mean[0], how.offset) == (16, 0.485, 0.0)
    (tmp_path / "preprocessor_config.json").write_text("[]")
    with pytest.raises(InputError, match="cannot be read"):
        NetworkInput.read(tmp_path, side=16, square=False)
