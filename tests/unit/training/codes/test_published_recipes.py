"""The papers' own recipes as command lines: they train for a few steps, go on exactly, and say what they would take."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgvsc.training.codes import dvst, ntscc_swin, sketch

ADAM = ["--optimiser", "adam", "--schedule", "constant", "--learning-rate", "1e-4", "--warmup", "1"]
PAPERS = [*ADAM, "--precision", "float32"]
GVSC = ["--distance", "lpips", "--k", "0.3", "--batch", "16", "--snr-db", "0", "10", "--crop", "64"]


@pytest.fixture
def data(tmp_path):
    """Three pictures with edges."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        picture = np.full((256, 256, 3), 90, np.uint8)
        for _ in range(6):
            corner, colour = rng.integers(0, 200, 2), rng.integers(0, 256, 3)
            cv2.rectangle(picture, corner.tolist(), (corner + 50).tolist(), colour.tolist(), -1)
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return folder


def test_sketches_train_with_the_papers_loss_and_go_on_exactly(data, tmp_path):
    out = tmp_path / "out"
    kept = ["--sketches", str(tmp_path / "s.npz")]
    common = ["--data", str(data), *PAPERS, *GVSC, *kept]
    sketch.main([*common, "--out", str(out), "--epochs", "1"])
    first = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert first[0]["recipe"]["steps"] == 1 and first[0]["recipe"]["distance"] == "lpips"
    sketch.main([*common, "--out", str(out), "--epochs", "2", "--resume", str(out / "checkpoint.pt")])
    sketch.main([*common, "--out", str(tmp_path / "whole"), "--epochs", "2"])
    name = "compact-deepjscc-sketch.safetensors"
    ours, theirs = (load_file(folder / name) for folder in (out, tmp_path / "whole"))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_papers_ntscc_says_what_it_would_take(data, tmp_path, capsys):
    small = ["--size", "small", "--batch", "16", "--crop", "64", "--epochs", "100", "--dry-run"]
    ntscc_swin.main(["--data", str(data), "--out", str(tmp_path / "out"), *PAPERS, *small])
    said = capsys.readouterr().out
    assert said.startswith("100 steps of batch 16") and "hours" in said and "GB of memory" in said and "adam" in said
    assert not (tmp_path / "out").exists()


def test_dvst_has_the_papers_lambda_as_an_option():
    options = {parameter.name for parameter in dvst.main._function().__signature__.parameters.values()}
    assert {"lambda_", "epochs", "optimiser", "schedule", "dry_run", "resume"} <= options
