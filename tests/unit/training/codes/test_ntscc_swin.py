"""NTSCC at the paper's size, in miniature: it learns, says what it spends, and refuses what cannot be."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from lgvsc.errors import ConfigError
from lgvsc.nets.ntscc_swin import SwinNtscc
from lgvsc.training.codes.ntscc_swin import SIZES, SwinTraining, train
from lgvsc.training.pictures import PicturePool

TINY = SwinTraining(steps=4, batch=2, crop=64, warmup=1, learning_rate=2e-3, precision="float32")
SMALL = SwinNtscc.tiny().config


def pictures(count=4, side=96):
    """Gradients of all directions and colours."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:side, :side] / side
    for _ in range(count):
        ends = rng.integers(0, 256, (3, 3))
        yield np.clip(ends[0] + rows[..., None] * ends[1] - columns[..., None] * ends[2], 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pool():
    return PicturePool(list(pictures()), 64)


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["results"] for line in lines if line["event"] == "validation"]


def test_it_learns_and_says_what_it_spends(pool, tmp_path):
    held_back = list(pictures(2, 192))
    path = train(replace(TINY, steps=1), pool, tmp_path / "short", sizes=SMALL, validation=held_back)
    train(replace(TINY, steps=60, average=0.5), pool, tmp_path / "long", sizes=SMALL, validation=held_back)
    (before,), (after,) = losses(tmp_path / "short"), losses(tmp_path / "long")
    assert after["psnr_db"] > before["psnr_db"] + 3 and after["n"] == 2
    assert 1 / (3 * 16**2) <= after["cbr"] <= 8 / (3 * 16**2)  # a position of 16 x 16 pixels sends 1 to 8 symbols
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["config"]) == json.loads(json.dumps(asdict(SMALL)))


def test_impossible_recipes_are_refused(pool, tmp_path):
    for wrong in ({"eta": 0.0}, {"rate_weight": -1.0}, {"minutes": 0.0}):
        with pytest.raises(ConfigError):
            SwinTraining(**wrong)
    with pytest.raises(ConfigError, match="multiple of 64"):
        train(replace(TINY, crop=72), pool, tmp_path, sizes=SMALL)


def test_the_small_size_is_smaller():
    with torch.device("meta"):
        counts = [sum(p.numel() for p in SwinNtscc(SIZES[size]).parameters()) for size in ("small", "paper")]
    assert 5 * counts[0] < counts[1] and counts[1] == 30_764_748
