"""How different two pictures look, for the loss ``k MSE + (1 - k) distance`` of GVSC's Eq. (1), and for others like it.

GVSC takes LPIPS. Here it is by name, with DISTS and ``ms_ssim_distance`` beside it, whose gradient costs a tenth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from lgvsc.errors import ConfigError
from lgvsc.metrics.dists import dists_distance
from lgvsc.metrics.lpips import lpips_distance, lpips_vgg_distance
from lgvsc.metrics.smooth_ssim import training_ms_ssim

Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # (B, C, H, W) in [0, 1] twice, C one or three, to (B,)

COLOUR_DISTANCES: dict[str, Distance] = {
    "lpips": lpips_distance,
    "lpips_vgg": lpips_vgg_distance,
    "dists": dists_distance,
}
DISTANCES = (*COLOUR_DISTANCES, "ms_ssim_distance")


def choose_distance(name: str) -> Distance:
    """A distance by its name, one of :data:`DISTANCES`, or the mean of several: ``lpips+dists``, or
    ``lpips+dists+dists`` where one of them counts twice. It runs where the pictures are.

    Raises:
        ConfigError: No such name.
    """
    if "+" in name:
        return partial(mean_of, [(choose_distance(one), count) for one, count in Counter(name.split("+")).items()])
    if name == "ms_ssim_distance":
        return ms_ssim_distance
    if name not in COLOUR_DISTANCES:
        raise ConfigError(f"no distance is called {name!r}; there are {', '.join(DISTANCES)}")
    return partial(in_colour, COLOUR_DISTANCES[name])


def mean_of(distances: Sequence[tuple[Distance, int]], first: Tensor, second: Tensor) -> Tensor:
    """The mean of several distances, each of which counts so many times."""
    total = sum(count for _, count in distances)
    return torch.stack([count / total * distance(first, second) for distance, count in distances]).sum(dim=0)


def ms_ssim_distance(first: Tensor, second: Tensor) -> Tensor:
    """1 - MS-SSIM, on four scales; sides from 56 pixels. In [0, 1], 0 for equal pictures."""
    return 1 - training_ms_ssim(first.float(), second.float())


def in_colour(measure: Distance, first: Tensor, second: Tensor) -> Tensor:
    """Measure pictures of one channel as grey ones of three."""
    return measure(first.float().expand(-1, 3, -1, -1), second.float().expand(-1, 3, -1, -1))
