"""DISTS of video frames, and as a loss: a distance that does not mind which sample of a texture is shown.

Pictures are measured at their own size, as the authors' class does. Their paper first reduces the short side to 256
pixels, so published values for larger pictures were measured after that.

Source: Ding et al. 2020, see :mod:`lgvsc.nets.dists`. The weights ship with the package.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from lgvsc.models.catalog import find, load
from lgvsc.models.weights import load_asset, read_tensors
from lgvsc.nets.dists import Dists


@cache
def dists(device: str) -> Dists:
    """DISTS, frozen. Takes RGB in [0, 1]; gradients reach the pictures."""
    with torch.inference_mode(False):  # whoever asks first, gradients can pass later
        net: Dists = load("dists")
        return net.to(device)


def dists_distance(first: Tensor, second: Tensor) -> Tensor:
    """Distances ``(B,)`` of pictures ``(B, 3, H, W)`` in [0, 1]; sides from 16 pixels."""
    out: Tensor = dists(str(first.device))(first, second)
    return out


def load_dists(data: bytes) -> Dists:
    """The network of the shipped asset and of the convolutions that it shares with ``lpips-vgg16``."""
    net = Dists()
    weights, _ = read_tensors(data)
    vgg, _ = read_tensors(load_asset(find("lpips-vgg16")))
    features = {name: tensor.float() for name, tensor in vgg.items() if name.startswith("features.")}
    net.load_state_dict(features | weights)
    return net.eval().requires_grad_(False)
