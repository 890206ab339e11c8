"""The arithmetic of Open-Sora's cost against the specification's table and against the network itself."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lgvsc.nets.stdit3 import STDiT3
from lgvsc.world.backends.opensora import cost as opensora_cost
from lgvsc.world.backends.opensora.cost import clip_cost, weights_gb


@pytest.mark.parametrize(
    ("height", "width", "frames", "tokens", "tflop", "pflop"),
    [
        (144, 256, 17, 720, 1.5, 0.09),
        (144, 256, 51, 2160, 4.6, 0.28),
        (256, 256, 17, 1280, 2.7, 0.16),
        (256, 256, 51, 3840, 8.2, 0.49),
        (240, 426, 17, 2025, 4.4, 0.26),
        (240, 426, 51, 6075, 13, 0.79),
        (240, 426, 102, 12150, 26, 1.6),
        (480, 854, 51, 23850, 55, 3.3),
        (720, 1280, 51, 54000, 139, 8.3),
    ],
)
def test_the_published_table(height, width, frames, tokens, tflop, pflop):
    cost = clip_cost(height, width, frames)
    assert cost.tokens == tokens
    assert cost.flop_per_call / 1e12 == pytest.approx(tflop, rel=0.045)
    assert cost.flop / 1e15 == pytest.approx(pflop, rel=0.045)


def test_operations_are_those_that_the_network_does(monkeypatch):
    for name, value in {"DEPTH": 2, "WIDTH": 64}.items():
        monkeypatch.setattr(opensora_cost, name, value)
    words, sizes = 9, {key: torch.ones(1) for key in ("fps", "height", "width")}
    with torch.device("meta"):
        model = STDiT3.tiny(hidden_size=64, num_heads=2, model_max_length=words)
        inputs = (torch.empty(1, 4, 5, 8, 12), torch.empty(1), torch.empty(1, 1, words, 16))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs, **sizes)
    counted = counter.get_total_flops()
    assert clip_cost(64, 96, 17, words=words).flop_per_call == pytest.approx(counted, rel=0.05)  # embeddings on top


def test_weights_in_memory():
    video, text = weights_gb(2, 4)
    assert video == pytest.approx(2.4 + 0.8, abs=0.05)
    assert text == pytest.approx(19, abs=0.1)
