"""LPIPS and DISTS on small random networks: shapes, what is refused, and the formulas written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lgvsc.nets.dists import Dists, halve_by_energy
from lgvsc.nets.lpips import SCALE, SHIFT, Lpips
from lgvsc.nets.picture_features import AlexNetFeatures, Vgg16Features


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(seed: int = 0, side: int = 48) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=seeded(seed))


def tiny(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind.tiny().eval()


def test_published_networks_have_the_published_numbers_of_weights():
    """Convolutions of torchvision's AlexNet and VGG16."""
    assert sum(p.numel() for p in AlexNetFeatures().parameters()) == 2_469_696
    assert sum(p.numel() for p in Vgg16Features().parameters()) == 14_714_688
    assert sum(Dists().channels) == 1475


def test_lpips_is_its_formula():
    net = tiny(Lpips)
    first, second = pictures(0), pictures(1)
    shift, scale = (torch.tensor(v)[None, :, None, None] for v in (SHIFT, SCALE))
    maps = [net.features((p - shift) / scale) for p in (first, second)]
    expected = sum(
        ((F.normalize(a, dim=1) - F.normalize(b, dim=1)) ** 2 * w[None, :, None, None]).sum(1).mean((1, 2))
        for a, b, w in zip(*maps, net.weights, strict=True)
    )
    torch.testing.assert_close(net(first, second), expected, atol=1e-6, rtol=1e-4)


def test_dists_of_one_picture_and_its_negative_is_large_and_of_equal_ones_zero():
    net = tiny(Dists)
    first = pictures()
    torch.testing.assert_close(net(first, first), torch.zeros(2), atol=1e-6, rtol=0)
    assert (net(first, 1 - first) > 0.01).all()


def test_pooling_by_energy_keeps_a_constant_and_halves_rounding_up():
    pooled = halve_by_energy(torch.full((1, 4, 9, 12), 3.0))
    assert pooled.shape == (1, 4, 5, 6)
    torch.testing.assert_close(pooled[..., 1:-1, 1:-1], torch.full((1, 4, 3, 4), 3.0))


@pytest.mark.parametrize("sides", [(7, 10), (8, 9), (1, 2)])
def test_the_way_back_through_pooling_by_energy_is_its_gradient(sides):
    maps = torch.rand(2, 3, *sides, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(halve_by_energy, maps)


@pytest.mark.parametrize("kind", [Lpips, Dists])
def test_unequal_or_too_small_pictures_are_refused(kind):
    net = tiny(kind)
    with pytest.raises(ValueError, match="one size"):
        net(pictures(), pictures()[..., 1:])
    with pytest.raises(ValueError, match="RGB"):
        net(pictures()[:, :1], pictures()[:, :1])
    small = pictures(side=net.features.min_side - 1)
    with pytest.raises(ValueError, match=str(net.features.min_side)):
        net(small, small)
    fits = pictures(side=net.features.min_side)
    assert torch.isfinite(net(fits, 1 - fits)).all()
