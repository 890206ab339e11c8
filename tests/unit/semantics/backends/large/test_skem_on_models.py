"""SKEM over real large models with random weights: every batch size makes the same keyframes, in every mode."""

import json
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from lgvsc import build
from lgvsc.cli.main import app
from lgvsc.config import load_config
from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import FrameDescriber, SeeingJudge
from lgvsc.core.video import VideoFormat, VideoWriter
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig
from lgvsc.semantics.keyframes import KeyframeConfig, choose_keyframes
from lgvsc.semantics.psss import Psss

CONFIG = LargeModelConfig(device="cpu", dtype="float32", description_tokens=8, batch=4)
VIDEO = VideoFormat(48, 64, Fraction(5), 12)


@pytest.fixture(params=["internvl", "qwen", "smolvlm"], scope="module")
def model(request):
    return load(str(request.getfixturevalue(f"{request.param}_folder")), CONFIG)


@pytest.mark.parametrize("mode", ["joint", "cached", "direct"])
def test_speculation_on_a_model_changes_no_keyframe(model, clip, mode):
    def run(speculation, threshold):
        model.cost = Cost()
        model._pictures.clear()
        model._opened.clear()
        similarity = Psss(model, model, mode=mode)
        config = KeyframeConfig(sample_fps=0, speculation=speculation, threshold=threshold, rescore_band=1e-5)

        def score(keyframe, candidates):
            return [s.divergence for s in similarity.scores(keyframe, candidates)]

        choices = list(choose_keyframes(clip, VIDEO, config, score, lambda frame: False))
        curve = [c.divergence for c in choices if c.divergence is not None]
        return [c.frame.index for c in choices if c.keyframe], curve, model.cost

    keyframes = []
    for threshold in np.quantile(run(1, 0.99)[1], [0.4, 0.8]):  # random weights do not care about 0.35
        found, curve, alone = run(1, float(threshold))
        keyframes.append(found)
        for speculation in (3, 5):
            speculated, others, cost = run(speculation, float(threshold))
            assert speculated == found
            assert others == pytest.approx(curve, abs=1e-6)
            assert cost.pairs >= alone.pairs == len(curve)
            assert cost.vision_tiles == alone.vision_tiles == 12
            assert mode != "cached" or cost.descriptions == 12
    assert any(len(found) > 1 for found in keyframes)


def test_models_keep_the_protocols(model):
    assert isinstance(model, FrameDescriber) and isinstance(model, SeeingJudge)
    compact = load("compact-captioner")
    assert isinstance(compact, FrameDescriber) and not isinstance(load("compact-judge"), SeeingJudge)


def test_the_command_line_runs_on_a_folder(internvl_folder, clip, tmp_path):
    """`lgvsc keyframes` and `lgvsc score` with a model from a folder, and descriptions kept on disk."""
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, VideoFormat(48, 64, Fraction(10), None)) as writer:
        for frame in clip:
            writer.write(frame.pixels)
    settings = [
        f"models.captioner={internvl_folder}", f"models.judge={internvl_folder}", "judge.mode=cached",
        f"judge.cache_dir={tmp_path / 'kept'}", "keyframes.speculation=3", "large_models.description_tokens=8",
        "large_models.device=cpu",
    ]  # fmt: skip
    arguments = ["keyframes", str(path), "-q", "--json", *(part for s in settings for part in ("--set", s))]
    first, again = (json.loads(CliRunner().invoke(app, arguments).stdout) for _ in range(2))
    assert first["keyframes"] == again["keyframes"] and first["curve"] == again["curve"]
    assert first["cost"]["decode_tokens"] > 0 and len(list((tmp_path / "kept").rglob("*.json"))) > 3
    build.kept_model.cache_clear()
    config = load_config(settings=settings)
    similarity = build.psss(config)
    assert similarity.captioner is similarity.judge  # one model in two roles is in memory once
    assert build.psss(config).judge is similarity.judge
