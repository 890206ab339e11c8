"""A video classifier and a depth estimator of random weights, each as a folder that transformers reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch


def tiny_timesformer(folder: Path, labels: int = 7) -> Path:
    """TimeSformer on four frames of 32 pixels; its labels are "action 0" and so on."""
    transformers = pytest.importorskip("transformers")
    config = transformers.TimesformerConfig(
        image_size=32, patch_size=16, num_frames=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, id2label={i: f"action {i}" for i in range(labels)}, initializer_range=0.5,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.TimesformerForVideoClassification(config).save_pretrained(folder)
    told = {"crop_size": {"height": 32, "width": 32}, "image_mean": [0.45] * 3, "image_std": [0.2] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def tiny_depth_anything(folder: Path) -> Path:
    """Depth-Anything over a DINOv2 of two layers; the shorter side has 28 pixels, sides are multiples of 14."""
    transformers = pytest.importorskip("transformers")
    backbone = transformers.Dinov2Config(
        image_size=28, patch_size=14, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2,
        out_indices=[1, 2], apply_layernorm=True, reshape_hidden_states=False, initializer_range=0.5,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, reassemble_factors=[2, 1], neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8, head_in_index=-1, head_hidden_size=4, patch_size=14, initializer_range=0.5,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    told = {"size": {"height": 28, "width": 28}, "ensure_multiple_of": 14}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder
