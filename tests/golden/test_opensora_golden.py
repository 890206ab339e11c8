"""Open-Sora 1.2 against numbers that the public release computed.

``opensora_1_2.json`` holds every so-manieth value of what the release (tag v1.2.0, float32, CPU, with diffusers 0.42.1
for its 2D autoencoder, rotary_embedding_torch 0.5.3) made of the weights and inputs below. Weights and inputs are
sines of the position in the tensor and of its name, so no random generator has to agree; only the fresh noise of a
frame mask between 0 and 1 comes from PyTorch's generator on the CPU.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lgvsc.nets.opensora_vae import OpenSoraVAE, TemporalVAE
from lgvsc.nets.stdit3 import STDiT3
from lgvsc.world.sampler import RectifiedFlow

GOLDEN = json.loads((Path(__file__).parent / "opensora_1_2.json").read_text())
TOLERANCE = 2e-5  # of the specification, in float32
KEPT = 96  # values kept of each result

STDIT3 = {"depth": 2, "hidden_size": 48, "num_heads": 4, "caption_channels": 20, "model_max_length": 9}
OTHER = {
    "depth": 1, "hidden_size": 36, "num_heads": 3, "in_channels": 3, "patch_size": (1, 2, 3), "caption_channels": 20,
    "model_max_length": 9, "qk_norm": False, "pred_sigma": False, "input_sq_size": 256, "mlp_ratio": 3.0,
}  # fmt: skip
TEMPORAL = {"filters": 8, "num_res_blocks": 1, "num_groups": 4}
SPATIAL = {"block_out_channels": (8, 16, 16, 16), "layers_per_block": 2, "norm_num_groups": 8}
SIZE = {"fps": 24.0, "height": 240.0, "width": 426.0}
MASKS = {"made and given": [0, 1, 1, 0, 1, 1], "edited": [0, 0.4, 1, 0.75, 0, 1]}


def sines(name: str, *shape: int) -> Tensor:
    """Values of about unit deviation that look random and depend on nothing but the name and the shape."""
    position = torch.arange(math.prod(shape), dtype=torch.float64)
    phase = zlib.crc32(name.encode()) % 10_007
    return (math.sqrt(2) * torch.sin(0.7391 * (position + 1) * (1 + position % 97 / 31) + phase)).float().view(shape)


def filled(module: nn.Module) -> nn.Module:
    """A network with weights from :func:`sines`, each scaled so that signals keep their size."""
    for name, value in module.state_dict().items():
        if name in ("rope.freqs", "scale", "shift"):
            continue
        drawn = sines(name, *value.shape)
        if value.ndim > 1:
            drawn = drawn / math.sqrt(value[0].numel())
        else:
            drawn = 0.2 * drawn + (1.0 if name.endswith("weight") else 0.0)
        value.copy_(drawn)
    return module.eval()


def some(values: Tensor) -> list[float]:
    """Every so-manieth value."""
    flat = values.flatten()
    return flat[:: max(1, len(flat) // KEPT)][:KEPT].tolist()


def words(lengths: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Captions ``(P, 1, L, E)`` of these lengths, and their mask."""
    rows, width = STDIT3["model_max_length"], STDIT3["caption_channels"]
    mask = (torch.arange(rows)[None] < torch.tensor(lengths)[:, None]).long()
    return sines("caption", len(lengths), 1, rows, width), mask


def assert_golden(name: str, values: Tensor) -> None:
    stored = torch.tensor(GOLDEN[name]["values"])
    assert list(values.shape) == GOLDEN[name]["shape"]
    assert (torch.tensor(some(values)) - stored).abs().max() < TOLERANCE
    assert stored.std() > 0.05, "numbers that are all alike prove nothing"


@pytest.mark.parametrize("given", [None, "some", "all"])
def test_the_network(given):
    model = filled(STDiT3(**STDIT3))
    y, mask = words((4, 9))
    y = torch.cat([y, model.y_embedder.y_embedding.expand(2, 1, -1, -1)])
    x_mask = None if given is None else torch.tensor([[1, 0, 1, 1, 0]] * 4).bool() & (given == "some")
    sizes = {key: torch.full((2,), value) for key, value in SIZE.items()}
    x = sines("x", 4, 4, 5, 7, 9)
    with torch.no_grad():
        out = model(x, torch.tensor([820.5, 13.0, 820.5, 13.0]), y, mask=mask, x_mask=x_mask, **sizes)
    assert_golden(f"network, given {given}", out)


def test_the_network_in_another_configuration_and_without_a_caption_mask():
    model = filled(STDiT3(**OTHER))
    x_mask = torch.tensor([[True, False], [True, True]])
    sizes = {key: torch.tensor([value]) for key, value in SIZE.items()}
    with torch.no_grad():
        out = model(sines("x", 2, 3, 2, 5, 7), torch.tensor([999.0, 40.5]), words((9, 9))[0], None, x_mask, **sizes)
    assert_golden("network, other", out)


@pytest.mark.parametrize("frames", [1, 2, 7, 17])
def test_the_temporal_autoencoder(frames):
    vae = filled(TemporalVAE(**TEMPORAL))
    with torch.no_grad():
        assert_golden(f"temporal moments, {frames}", vae.encode(sines("x", 2, 4, frames, 5, 6)))
        assert_golden(f"temporal frames, {frames}", vae.decode(sines("z", 2, 4, -(-frames // 4), 5, 6), frames))


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (17, 5), (23, 7), (35, 11)])
def test_the_pair_of_autoencoders(frames, latents):
    vae = filled(OpenSoraVAE(SPATIAL, TEMPORAL))
    with torch.no_grad():
        assert_golden(f"latents, {frames}", vae.encode(sines("pictures", 1, 3, frames, 19, 34) / 2))
        assert_golden(f"pictures, {frames}", vae.decode(sines("z", 1, 4, latents, 2, 4), frames))


@pytest.mark.parametrize("frame_mask", [None, *MASKS])
@pytest.mark.parametrize("halves_apart", [False, True])
def test_the_sampler(frame_mask, halves_apart):
    model = filled(STDiT3(**STDIT3))
    y, mask = words((6, 3))
    shares = None if frame_mask is None else torch.tensor(MASKS[frame_mask]).float().expand(2, -1)
    flow = RectifiedFlow(6, 3.0, True, halves_apart=halves_apart)
    with torch.no_grad():
        z = flow.sample(
            model, sines("z", 2, 4, 6, 4, 6), y, mask, model.y_embedder.y_embedding, **SIZE, num_frames=18,
            frame_mask=shares, generator=torch.Generator().manual_seed(7),
        )  # fmt: skip
    assert_golden(f"sampled, {frame_mask}", z)
