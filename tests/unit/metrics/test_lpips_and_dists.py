"""LPIPS and DISTS are those of their authors: values from their own classes are stored and compared."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from lgvsc.metrics.dists import dists, dists_distance
from lgvsc.metrics.lpips import lpips_alexnet, lpips_distance, lpips_vgg16, lpips_vgg_distance
from lgvsc.nets.dists import Moments

GOLDEN = Path(__file__).parents[2] / "golden" / "perceptual_reference.json"
MEASURES = {"lpips": lpips_distance, "lpips_vgg": lpips_vgg_distance, "dists": dists_distance}
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
CHANGES = ("blurred", "noisy", "shifted", "coarse")


def synthetic(height: int = 120, width: int = 152, seed: int = 5):
    """Waves, texture and a hard edge."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows, columns = np.mgrid[0:height, 0:width]
    waves = 90 * np.sin(rows / 9)[..., None] * np.cos(columns[..., None] / np.array([7, 11, 23])) + 120
    waves[height // 2 :, width // 2 :] -= 70
    return np.clip(waves + rng.integers(-12, 13, (height, width, 3)), 0, 255).astype(np.uint8)


def photograph(name: str):
    """The middle of a photograph that lies in scikit-image's wheel, 176 x 208."""
    folder = Path(pytest.importorskip("skimage").__file__).parent / "data"
    whole = np.asarray(Image.open(folder / name).convert("RGB"))
    top, left = (whole.shape[0] - 176) // 2, (whole.shape[1] - 208) // 2
    return np.ascontiguousarray(whole[top : top + 176, left : left + 208])


def changed(picture, how: str):
    if how == "blurred":
        return cv2.GaussianBlur(picture, (0, 0), 1.7)
    if how == "noisy":
        noise = np.random.Generator(np.random.PCG64(11)).integers(-30, 31, picture.shape)
        return np.clip(picture.astype(np.int32) + noise, 0, 255).astype(np.uint8)
    if how == "shifted":
        return np.roll(picture, (2, 3), (0, 1))
    height, width = picture.shape[:2]
    return np.repeat(np.repeat(picture[::4, ::4], 4, 0), 4, 1)[:height, :width]


def cases():
    """Every picture by every change: 20 pairs, named."""
    for name in ("synthetic", *PHOTOGRAPHS):
        for how in CHANGES:
            yield name, how


def pair(name: str, how: str):
    first = synthetic() if name == "synthetic" else photograph(name)
    return first, changed(first, how)


def tensor(picture) -> torch.Tensor:
    """uint8 ``(H, W, 3)`` as ``(1, 3, H, W)`` in [0, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(("name", "how"), list(cases()))
def test_values_equal_those_of_the_authors_classes(name, how):
    stored = json.loads(GOLDEN.read_text())["cases"][f"{name} {how}"]
    first, second = map(tensor, pair(name, how))
    values = {measure: distance(first, second).item() for measure, distance in MEASURES.items()}
    assert values["lpips"] == pytest.approx(stored["lpips"], abs=2e-6)
    assert values["lpips_vgg"] == pytest.approx(stored["lpips_vgg_rounded"], abs=2e-6)
    assert values["dists"] == pytest.approx(stored["dists_rounded"], abs=2e-6)
    # What rounding the convolutions of VGG16 to float16 costs: at most 1.3e-4 and 5.1e-5 on these pictures.
    assert values["lpips_vgg"] == pytest.approx(stored["lpips_vgg"], abs=1.5e-4)
    assert values["dists"] == pytest.approx(stored["dists"], abs=7e-5)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_equal_pictures_are_at_distance_zero_and_a_worse_one_is_further(measure):
    first = synthetic()
    rng = np.random.Generator(np.random.PCG64(2))
    noise = rng.integers(-40, 41, first.shape)
    worse = [np.clip(first + level * noise, 0, 255).astype(np.uint8) for level in (0.0, 0.25, 1.0)]
    same, little, much = (measure(tensor(first), tensor(other)).item() for other in worse)
    assert same == pytest.approx(0.0, abs=2e-6) and 0.001 < little < much


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_descending_the_gradient_brings_a_picture_closer(measure):
    first = tensor(synthetic(64, 64))
    other = (first + 0.2 * torch.randn(first.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    other.requires_grad_(True)
    before = measure(first, other).sum()
    (slope,) = torch.autograd.grad(before, other)
    step = 0.01 * slope / slope.abs().max()
    assert torch.isfinite(slope).all() and measure(first, (other - step).detach()).item() < before.item()


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_black_picture_has_a_finite_gradient(measure):
    black = torch.zeros(1, 3, 64, 64, requires_grad=True)
    (slope,) = torch.autograd.grad(measure(tensor(synthetic(64, 64)), black).sum(), black)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("load", [lpips_alexnet, lpips_vgg16, dists])
def test_networks_are_loaded_once_and_frozen(load):
    assert load("cpu") is load("cpu") and not any(weight.requires_grad for weight in load("cpu").parameters())


def test_a_network_first_asked_for_in_inference_mode_still_passes_gradients():
    lpips_alexnet.cache_clear()
    first = tensor(synthetic(64, 64))
    with torch.inference_mode():
        lpips_distance(first, first)
    other = (1 - first).requires_grad_(True)
    lpips_distance(first, other).sum().backward()
    assert torch.isfinite(other.grad).all() and other.grad.abs().max() > 0


def test_a_batch_is_measured_picture_by_picture():
    pairs = [pair("synthetic", how) for how in CHANGES]
    first, second = (torch.cat([tensor(p[side]) for p in pairs]) for side in (0, 1))
    for measure in MEASURES.values():
        together = measure(first, second)
        assert together.shape == (4,)
        torch.testing.assert_close(together[1:2], measure(first[1:2], second[1:2]), atol=2e-6, rtol=0)


def test_moments_and_their_gradients_are_those_of_the_plain_formulas():
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 3, 5, 7, generator=generator) + 1 for _ in range(2)]
    weights = torch.randn(5, 2, 3, generator=generator)

    def plain(first, second):
        one, other = (each.flatten(2) for each in (first, second))
        centred = [each - each.mean(2, keepdim=True) for each in (one, other)]
        spread = [centred[a].mul(centred[b]).mean(2) for a, b in ((0, 0), (1, 1), (0, 1))]
        return one.mean(2), other.mean(2), *spread

    results = []
    for moments in (plain, Moments.apply):
        pair = [each.clone().requires_grad_() for each in maps]
        found = torch.stack(moments(*pair))
        (weights * found).sum().backward()
        results.append((found, *(each.grad for each in pair)))
    for expected, got in zip(*results, strict=True):
        assert torch.allclose(expected, got, atol=1e-6, rtol=1e-4)
