"""LPIPS of video frames, and as a loss: how different two pictures look, learned from people's answers.

``lpips`` uses AlexNet's features, ``lpips_vgg`` those of VGG16; both version 0.1, at the pictures' own size. Their
authors use the first to measure and the second to train.

Source: Zhang et al. 2018, see :mod:`lgvsc.nets.lpips`. The weights ship with the package.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from lgvsc.models.catalog import load
from lgvsc.models.weights import read_network
from lgvsc.nets.lpips import Lpips
from lgvsc.nets.picture_features import AlexNetFeatures, Vgg16Features


@cache
def lpips_alexnet(device: str) -> Lpips:
    """LPIPS on AlexNet's features, frozen. Takes RGB in [-1, 1]; gradients reach the pictures."""
    with torch.inference_mode(False):  # whoever asks first, gradients can pass later
        net: Lpips = load("lpips-alexnet")
        return net.to(device)


@cache
def lpips_vgg16(device: str) -> Lpips:
    """LPIPS on VGG16's features, frozen. Takes RGB in [-1, 1]; gradients reach the pictures."""
    with torch.inference_mode(False):  # whoever asks first, gradients can pass later
        net: Lpips = load("lpips-vgg16")
        return net.to(device)


def lpips_distance(first: Tensor, second: Tensor) -> Tensor:
    """Distances ``(B,)`` of pictures ``(B, 3, H, W)`` in [0, 1] by AlexNet; sides from 31 pixels."""
    out: Tensor = lpips_alexnet(str(first.device))(2 * first - 1, 2 * second - 1)
    return out


def lpips_vgg_distance(first: Tensor, second: Tensor) -> Tensor:
    """Distances ``(B,)`` of pictures ``(B, 3, H, W)`` in [0, 1] by VGG16; sides from 16 pixels."""
    out: Tensor = lpips_vgg16(str(first.device))(2 * first - 1, 2 * second - 1)
    return out


def load_alexnet(data: bytes) -> Lpips:
    """The network of the shipped asset."""
    return frozen(data, lambda: Lpips(AlexNetFeatures()))


def load_vgg16(data: bytes) -> Lpips:
    """The network of the shipped asset, whose float16 is computed with in float32."""
    return frozen(data, lambda: Lpips(Vgg16Features()))


def frozen(data: bytes, make: Callable[[], Lpips]) -> Lpips:
    """A network with weights that are never trained."""
    return read_network(data, "LPIPS", lambda _: make()).eval().requires_grad_(False)
