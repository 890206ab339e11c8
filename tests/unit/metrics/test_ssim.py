"""Our SSIM and MS-SSIM are the ones that scikit-image, pytorch-msssim and torchmetrics compute."""

import json
from pathlib import Path

import numpy as np
import pytest

from lgvsc.errors import ShapeError
from lgvsc.metrics.ssim import ms_ssim_and_ssim, ssim

GOLDEN = Path(__file__).parents[2] / "golden" / "ssim_reference.json"


def picture_pair(height: int, width: int, strength: float, seed: int = 3):
    """A picture with edges and texture, and a noisy, shifted, darker copy."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows, columns = np.mgrid[0:height, 0:width]
    waves = 90 * np.sin(rows / 9)[..., None] * np.cos(columns[..., None] / np.array([7, 11, 23])) + 120
    first = np.clip(waves + rng.integers(-12, 13, (height, width, 3)), 0, 255).astype(np.uint8)
    changed = np.roll(first, 1, axis=1) * (1 - strength / 4) + strength * rng.integers(-60, 61, (height, width, 3))
    return first, np.clip(changed, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(64, 64), (201, 176), (31, 90)])
@pytest.mark.parametrize("strength", [0.1, 0.8])
def test_ssim_equals_scikit_image(size, strength):
    """scikit-image works in float64; ours in float32, whose step of 2^-24 at 510^2 is 4e-3 against C2 = 58."""
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    first, second = picture_pair(*size, strength)
    expected = structural_similarity(
        first, second, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(first, second) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("case", json.loads(GOLDEN.read_text())["cases"], ids=lambda c: f"{c['size']}-{c['strength']}")
def test_both_equal_stored_references(case):
    first, second = picture_pair(*case["size"], case["strength"])
    scales, single = ms_ssim_and_ssim(first, second)
    assert single == pytest.approx(case["ssim"], abs=1e-4)
    assert single == pytest.approx(case["torchmetrics_ssim_inside"], abs=1e-4)
    assert scales == pytest.approx(case["ms_ssim"], abs=1e-4)


def test_identical_is_one_and_negative_is_not():
    first, _ = picture_pair(180, 200, 0.5)
    assert ms_ssim_and_ssim(first, first) == (pytest.approx(1.0, abs=1e-6), pytest.approx(1.0, abs=1e-6))
    negative, _ = ms_ssim_and_ssim(first, 255 - first)
    assert 0.0 <= negative < 0.1  # anticorrelated: the contrast term is negative and counts as zero


def test_too_small_is_refused():
    first, second = picture_pair(175, 300, 0.5)
    with pytest.raises(ShapeError, match="176"):
        ms_ssim_and_ssim(first, second)
    with pytest.raises(ShapeError):
        ssim(first[:10], second[:10])
