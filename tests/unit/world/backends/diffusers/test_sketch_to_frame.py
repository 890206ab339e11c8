from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from tiny_pipelines import save_sd3, save_vace

from lgvsc.core.video import VideoFormat
from lgvsc.errors import MissingResourceError
from lgvsc.world.backends.diffusers.sketch_to_frame import control_folder, load
from lgvsc.world.backends.diffusers.video import DiffusersConfig

pytest.importorskip("diffusers", reason="needs the extra 'modern'")

VIDEO = VideoFormat(height=40, width=56, fps=Fraction(24))
CONFIG = DiffusersConfig(steps=2, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    torch.set_num_threads(1)
    made = load(save_sd3(tmp_path_factory.mktemp("sd3")), CONFIG)
    made.area = 32 * 32
    return made


def sketch(seed):
    return (np.random.default_rng(seed).random((40, 56)) < 0.2).astype(np.uint8) * 255


def test_sketch_words_and_seed_matter_and_nothing_else_does(maker):
    first = maker.make(sketch(1), "a red car", VIDEO, 3)
    assert first.shape == (40, 56, 3) and first.dtype == np.uint8 and first.std() > 5
    torch.manual_seed(0)  # the pipeline by itself would draw the sketch's latent from here
    state = torch.get_rng_state()
    assert np.array_equal(maker.make(sketch(1), "a red car", VIDEO, 3), first)
    assert torch.equal(torch.get_rng_state(), state)
    for other in ((sketch(2), "a red car", 3), (sketch(1), "Blue sea.", 3), (sketch(1), "a red car", 4)):
        made = maker.make(other[0], other[1], VIDEO, other[2])
        assert np.abs(made.astype(float) - first).mean() > 0.5
    assert maker.make(sketch(1), None, VIDEO, 3).shape == (40, 56, 3)


def test_the_controlnet_is_looked_for_beside_the_pipeline(tmp_path, monkeypatch):
    monkeypatch.setattr("lgvsc.models.hub.hub_cache", lambda: None)
    with pytest.raises(MissingResourceError, match=r"Stability AI.*lgvsc models pull sd3\.5-large-canny"):
        control_folder(tmp_path)


def test_another_pipeline_is_refused(tmp_path):
    with pytest.raises(MissingResourceError, match="holds a WanVACEPipeline"):
        load(save_vace(tmp_path / "vace"), CONFIG)
