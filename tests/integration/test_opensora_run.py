"""The command line under the preset ``paper``, with the world model's weights in local folders."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from tiny_opensora import save_text_encoder, save_transformer, save_vae
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.core.video import Video, read_video, write_video

pytest.importorskip("transformers", reason="needs the extra 'paper'")
pytest.importorskip("ftfy", reason="needs the extra 'paper'")


@pytest.mark.parametrize("scheme", ["skem-dsa", "skim-sfa"])
def test_a_clip_goes_through_open_sora(tmp_path, scheme):
    torch.set_num_threads(1)
    rng = np.random.default_rng(4)
    wide = np.kron(rng.integers(0, 256, (12, 24, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    frames = np.stack([wide[:96, i : i + 128] for i in range(22)])
    write_video(tmp_path / "clip.mp4", Video(frames, Fraction(24)))
    settings = {
        "models.captioner": "compact-captioner",
        "models.judge": "compact-judge",
        "models.picture_codecs": '["digital-picture"]',
        "opensora.transformer": save_transformer(tmp_path / "dit"),
        "opensora.vae": save_vae(tmp_path / "vae"),
        "opensora.text_encoder": save_text_encoder(tmp_path / "t5"),
        "opensora.steps": 1,
        "opensora.resolution": "144p",
        "opensora.precision": "float32",
        "opensora.device": "cpu",
        "keyframes.segments": 2,
    }
    arguments = ["run", str(tmp_path / "clip.mp4"), "--preset", "paper", "--scheme", scheme, "--quiet"]
    arguments += ["-o", str(tmp_path / "out.mp4"), "--report", str(tmp_path / "out.json")]
    for key, value in settings.items():
        arguments += ["--set", f"{key}={value}"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["models"]["world_model"]["name"] == "opensora-1.2"
    assert read_video(tmp_path / "out.mp4").frames.shape == frames.shape
    assert {kind for _, _, kind in report["provenance"]} == {"received", "generated"}


def test_weights_that_are_not_here_end_with_status_4_and_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr("lgvsc.models.hub.hub_cache", lambda: None)
    write_video(tmp_path / "clip.mp4", Video(np.zeros((4, 32, 32, 3), np.uint8), Fraction(24)))
    arguments = ["run", str(tmp_path / "clip.mp4"), "--preset", "paper", "-o", str(tmp_path / "out.mp4")]
    for setting in ("models.captioner=compact-captioner", "models.judge=compact-judge"):
        arguments += ["--set", setting]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exception is not None
    assert "lgvsc models pull opensora-stdit3" in str(ran.exception) + ran.output
    assert not (tmp_path / "out.mp4").exists()
